//! The write-ahead log, cut and garbled.

use revoked::journal::{OpenError, SyncPolicy};

use super::file::{Files, State, changes, written};
use super::{random, rounds};

const COMMITS: usize = 24;
const HEADER_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;
const FRAME_BYTES: usize = FRAME_HEAD_BYTES + 4096;
const SECTOR_BYTES: usize = 512;

/// A file that nobody closed, all of whose commits stand in its log.
struct Logged {
    files: Files,
    /// What is there behind each commit.
    states: Vec<State>,
    /// The frame, counted from 0, with which each commit ends.
    ends: Vec<usize>,
}

impl Logged {
    fn new(policy: SyncPolicy, random: &mut fastrand::Rng) -> Self {
        let (running, states) = written(COMMITS, policy, random);
        let files = running.files();
        running.stop();
        let ends: Vec<_> = (0..frames(&files)).filter(|&frame| is_marked(&files, frame)).collect();
        // What made the file is in the file itself.
        assert_eq!(ends.len(), COMMITS);
        Self { files, states, ends }
    }

    /// How many commits end in the first frames.
    fn commits_in(&self, frames: usize) -> usize {
        self.ends.iter().filter(|end| **end < frames).count()
    }

    /// Which commit a frame belongs to.
    fn commit_of(&self, frame: usize) -> usize {
        self.commits_in(frame)
    }

    /// Whether the mark of a commit says that it was written. That of a frame whose salts lie in another sector does so only
    /// if the frame before it was written behind the one before that.
    fn is_mark_trusted(&self, damaged: &Files, commit: usize) -> bool {
        let marked = self.ends[commit];
        let is_kept = |from: usize, to: usize| damaged.log[from..to] == self.files.log[from..to];
        let is_split = offset(marked) % SECTOR_BYTES == SECTOR_BYTES - 8;
        let is_chained = || {
            let two_before = offset(marked - 2);
            is_kept(two_before, two_before + FRAME_HEAD_BYTES) && is_kept(offset(marked - 1), offset(marked))
        };
        head(damaged, marked) == head(&self.files, marked) && (!is_split || is_chained())
    }

    /// Asserts that files whose damage begins in this frame are refused, or lack nothing but the last commit and those
    /// before it that nothing tells from it any more.
    fn check(&self, damaged: &Files, frame: usize, what: &str) -> Outcome {
        match damaged.open().map(|running| {
            let state = running.state();
            running.stop();
            state
        }) {
            Err(OpenError::LogDamaged { tear, .. }) => {
                assert!(self.commit_of(frame) < COMMITS - 1 || tear.frame == 0, "{what} was refused: {tear}");
                Outcome::Refused
            }
            Err(error) => panic!("{what}: {error}"),
            Ok(state) if state == self.states[COMMITS] => Outcome::Whole,
            Ok(state) => {
                // Two of the marks from there on, at least, tell that the damaged commit is not the last.
                let commit = self.commit_of(frame);
                let told = (commit..COMMITS).filter(|&commit| self.is_mark_trusted(damaged, commit)).count();
                assert!(commit == COMMITS - 1 || told < 2, "{what} lost what was acknowledged");
                assert!(commit >= COMMITS - 3, "{what} lost {} commits", COMMITS - commit);
                assert!(state == self.states[commit], "{what}");
                Outcome::WithoutTheLast
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    Whole,
    WithoutTheLast,
}

fn frames(files: &Files) -> usize {
    (files.log.len() - HEADER_BYTES) / FRAME_BYTES
}

fn offset(frame: usize) -> usize {
    HEADER_BYTES + frame * FRAME_BYTES
}

fn is_marked(files: &Files, frame: usize) -> bool {
    files.log[offset(frame) + 4..][..4] != [0; 4]
}

/// The head of a frame, up to its salts: whose page it is, whether a transaction ends with it, and to which log it belongs.
fn head(files: &Files, frame: usize) -> &[u8] {
    &files.log[offset(frame)..][..16]
}

/// Says what became of how many.
fn report(test: &str, outcomes: &[Outcome]) {
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    eprintln!(
        "{test}: {} damaged, {} refused, {} whole, {} without the last commit",
        outcomes.len(),
        count(Outcome::Refused),
        count(Outcome::Whole),
        count(Outcome::WithoutTheLast)
    );
}

#[test]
fn a_log_that_was_cut_has_all_commits_that_are_whole() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    let length = logged.files.log.len();
    let boundaries = (0..=frames(&logged.files)).map(offset);
    let anywhere = std::iter::repeat_with(|| random.usize(..length)).take(rounds(60));
    let cuts: Vec<_> = [0, 1, HEADER_BYTES - 1].into_iter().chain(boundaries).chain(anywhere).collect();
    for &cut in &cuts {
        let mut files = logged.files.clone();
        files.log.truncate(cut);
        let whole = logged.commits_in(cut.saturating_sub(HEADER_BYTES) / FRAME_BYTES);
        let running = files.open().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(running.state() == logged.states[whole], "cut at {cut}");
        running.stop();
    }
    eprintln!("{} cuts", cuts.len());
}

#[test]
fn a_frame_with_a_flipped_bit_is_refused_but_in_the_last_commit() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    let mut outcomes = Vec::new();
    for frame in 0..frames(&logged.files) {
        // One in each field of the head, and two in the page.
        let fields = [0..4, 4..8, 8..16, 16..24, 24..FRAME_BYTES, 24..FRAME_BYTES];
        for byte in fields.map(|field| random.usize(field)) {
            let mut files = logged.files.clone();
            files.log[offset(frame) + byte] ^= 1 << random.u8(..8);
            outcomes.push(logged.check(&files, frame, &format!("a bit in byte {byte} of frame {frame}")));
        }
    }
    for _ in 0..rounds(60) {
        let at = random.usize(HEADER_BYTES..logged.files.log.len());
        let mut files = logged.files.clone();
        files.log[at] ^= 1 << random.u8(..8);
        outcomes.push(logged.check(
            &files,
            (at - HEADER_BYTES) / FRAME_BYTES,
            &format!("a bit in byte {at}"),
        ));
    }
    report("flipped bits", &outcomes);
    assert!(!outcomes.contains(&Outcome::Whole), "no bit is without a checksum");
}

#[test]
fn a_header_with_a_flipped_bit_is_refused() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    for bit in 0..8 * HEADER_BYTES {
        let mut files = logged.files.clone();
        files.log[bit / 8] ^= 1 << (bit % 8);
        let error = files.open().map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::LogDamaged { tear, .. } if tear.frame == 0), "bit {bit}: {error}");
    }
}

#[test]
fn a_sector_of_zeros_is_refused_but_in_the_last_commits() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    let sectors = logged.files.log.len().div_ceil(SECTOR_BYTES);
    let mut outcomes = Vec::new();
    let each = (0..sectors).step_by((sectors / rounds(150)).max(1));
    for sector in each.chain(sectors - 32..sectors) {
        let mut files = logged.files.clone();
        let end = files.log.len().min((sector + 1) * SECTOR_BYTES);
        files.log[sector * SECTOR_BYTES..end].fill(0);
        // What was zero before is not damaged.
        let changed = (sector * SECTOR_BYTES..end).find(|&at| files.log[at] != logged.files.log[at]);
        let frame = changed.unwrap_or(sector * SECTOR_BYTES).saturating_sub(HEADER_BYTES) / FRAME_BYTES;
        outcomes.push(logged.check(&files, frame, &format!("sector {sector} zeroed")));
    }
    report("zeroed sectors", &outcomes);
}

#[test]
fn frames_that_changed_places_are_refused_but_in_the_last_commit() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    let mut outcomes = Vec::new();
    let count = frames(&logged.files);
    for first in 0..count - 1 {
        for second in [first + 1, random.usize(first + 1..count)] {
            let mut files = logged.files.clone();
            let (before, behind) = files.log.split_at_mut(offset(second));
            before[offset(first)..][..FRAME_BYTES].swap_with_slice(&mut behind[..FRAME_BYTES]);
            outcomes.push(logged.check(&files, first, &format!("frames {first} and {second} swapped")));
        }
    }
    report("swapped frames", &outcomes);
}

#[test]
fn what_an_earlier_log_left_behind_the_end_is_no_damage() {
    let mut random = random();
    let (running, _) = written(COMMITS, SyncPolicy::Always, &mut random);
    let old = running.files().log.len();
    // The next commit begins the log anew, over the old one.
    running.copy_log();
    running.submit(changes(COMMITS, &mut random));
    let (files, state) = (running.files(), running.state());
    running.stop();
    assert_eq!(files.log.len(), old);
    let running = files.open().unwrap();
    assert!(running.state() == state);
    running.stop();
}

#[test]
fn where_commits_were_not_synced_one_by_one_a_torn_log_is_read_up_to_there() {
    let mut random = random();
    for policy in [SyncPolicy::EverySecond, SyncPolicy::Never] {
        let logged = Logged::new(policy, &mut random);
        for frame in (0..frames(&logged.files)).step_by(7) {
            let mut files = logged.files.clone();
            files.log[offset(frame) + random.usize(..FRAME_BYTES)] ^= 1;
            let running = files.open().unwrap();
            assert!(running.state() == logged.states[logged.commit_of(frame)], "frame {frame}");
            running.stop();
        }
    }
}

#[test]
fn without_a_note_of_how_it_was_synced_a_torn_log_is_read_up_to_there() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    for lock in [&b""[..], b"1\n", b"1         \nsometimes\n", b"\xff\xff\n\xff"] {
        let mut files = logged.files.clone();
        files.lock = lock.to_vec();
        files.log[offset(3) + 100] ^= 1;
        let running = files.open().unwrap();
        assert!(running.state() == logged.states[logged.commit_of(3)]);
        running.stop();
    }
}

#[test]
fn what_is_refused_says_where_and_what_to_do() {
    let mut random = random();
    let logged = Logged::new(SyncPolicy::Always, &mut random);
    let mut files = logged.files.clone();
    files.log[offset(6) + 100] ^= 1;
    let text = files.open().map(|_| ()).unwrap_err().to_string();
    let place = format!("frame 7 of {}, at byte {},", frames(&files), offset(6));
    assert!(text.contains(&place), "{text}");
    let (_, command) = text.split_once("truncate -s ").unwrap();
    let length: usize = command.split(' ').next().unwrap().parse().unwrap();
    files.log.truncate(length);
    let running = files.open().unwrap();
    assert!(running.state() == logged.states[logged.commit_of(6)]);
    running.stop();
}
