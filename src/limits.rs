//! Every bound of the server, with its reason. Sizes are in bytes unless the name says otherwise.

use std::time::Duration;

/// Databases that SELECT can choose from: Redis's default, which client libraries assume.
pub const DATABASES: u8 = 16;

/// Arguments of one request, the name included: what Redis itself held to up to 6.2.
pub const REQUEST_ARGUMENTS: usize = 1024 * 1024;

/// One argument: Redis's `proto-max-bulk-len`.
pub const ARGUMENT_BYTES: usize = 512 * 1024 * 1024;

/// One request as it stands on the wire: Redis's `client-query-buffer-limit`. Places in a request are held
/// as `u32`, which this keeps sound.
pub const REQUEST_BYTES: usize = 1024 * 1024 * 1024;

/// An inline request, and the line that announces a length: Redis's `PROTO_INLINE_MAX_SIZE`.
pub const LINE_BYTES: usize = 64 * 1024;

/// Arguments of one request before AUTH: enough for HELLO with all its options.
pub const UNAUTHENTICATED_ARGUMENTS: usize = 10;

/// One argument before AUTH.
pub const UNAUTHENTICATED_ARGUMENT_BYTES: usize = 16 * 1024;

/// Read from a socket in one call.
pub const READ_BYTES: usize = 64 * 1024;

/// Reads of what a client sent behind its last request, when its connection is closed.
pub const CLOSING_READS: usize = 64;

/// Requests that are decoded before the first of them is executed.
pub const DECODED_REQUESTS: usize = 1024;

/// Replies that are gathered before they are written out, unless one reply alone is longer.
pub const OUTPUT_BYTES: usize = 64 * 1024;

/// What a client may send ahead while it does not take its replies; beyond that its connection ends.
pub const UNANSWERED_BYTES: usize = 256 * 1024 * 1024;

/// Room for output that is kept from one use to the next: for what is gathered, and the reply that takes it beyond.
pub const KEPT_OUTPUT_BYTES: usize = 2 * OUTPUT_BYTES;

/// Rooms for requests and output that a thread keeps for its connections: for as many as usually have a write under way,
/// and so one of them each, at once.
pub const SPARE_BUFFERS: usize = 64;

/// The same of those that have grown to no more than [`SMALL_BUFFER_BYTES`], each of the two: they weigh so little that
/// there may be one for each of many clients.
pub const SPARE_SMALL_BUFFERS: usize = 1024;

/// Room for the requests, or the output, of a client that asks for little at once.
pub const SMALL_BUFFER_BYTES: usize = 1024;

/// Channels and patterns that one client is subscribed to.
pub const SUBSCRIPTIONS: usize = 64 * 1024;

/// What the names of these may take.
pub const SUBSCRIPTION_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of requests that wait for the writer, or are with it, at once. A batch that would bring them beyond waits until
/// others are answered, and its connection reads nothing more meanwhile. One that is larger waits until it is alone.
pub const QUEUED_BYTES: usize = 256 * 1024 * 1024;

/// What the writer answers a batch, beside the last of its replies. The connection sends them, and asks for the rest
/// anew: a GET of a few bytes, behind a write and so in the writer's hands, may answer [`ARGUMENT_BYTES`].
pub const BATCH_REPLY_BYTES: usize = 1024 * 1024;

/// The same between MULTI and EXEC, whose reply is one: what comes behind is refused.
pub const TRANSACTION_REPLY_BYTES: usize = REQUEST_BYTES;

/// Members that SPOP draws before its turn, while nobody may write. Where more are asked for, the writer chooses.
pub const DRAWN_MEMBERS: usize = 1024;

/// What SRANDMEMBER answers with repetitions: a request of a few bytes may ask for any number, and nobody can write while
/// they are drawn. Above a million and a half of UUIDs.
pub const REPEATED_DRAWS_BYTES: usize = 64 * 1024 * 1024;

/// SQLite's page cache, its default. Beside it, SQLite holds twice the largest row while that is written.
pub const SQLITE_CACHE_BYTES: usize = 2000 * 1024;

/// Least value of `client-query-buffer-limit` and `proto-max-bulk-len`, as in Redis.
pub const LEAST_REQUEST_BYTES: usize = 1024 * 1024;

/// How often the server looks for clients that were idle too long, at the memory in use, and whether the files of TLS have
/// changed.
pub const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Time between two lines of the log that say how much was served.
pub const SERVED_INTERVAL: Duration = Duration::from_secs(300);

/// How long a client has for its handshake of TLS, from connecting on.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes of TLS that are under way at once, each from its client's first byte on; one more waits for its turn.
pub const HANDSHAKES: usize = 1024;

/// Files in the folder of those who sign the certificates of clients: more than a system trusts.
pub const CA_FILES: usize = 1024;

/// How long before its end the log warns of a certificate.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long after a warning comes the next.
pub const CERTIFICATE_REMINDER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the supervisor (systemd) may keep a thread waiting that tells it something.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the supervisor is told how far the replay has come.
pub const LOADING_REPORT: Duration = Duration::from_secs(1);

/// The time for which it is asked each time the replay has gone on.
pub const LOADING_EXTENSION: Duration = Duration::from_secs(60);

/// How often it is told how the server is, if that has changed.
pub const STATUS_REPORT: Duration = Duration::from_secs(10);

/// How often a writer that does not answer is looked at, whether it waits for the disk, before it is taken for hung.
pub const WRITER_LOOKS: u32 = 10;

/// Time between two lines of the log of one kind that clients cause, however many of them do.
pub const REPEATED_LOG: Duration = Duration::from_secs(10);

/// What waits to be pushed to one client where `client-output-buffer-limit` sets no hard limit.
pub const OUTBOX_BYTES: u64 = 256 * 1024 * 1024;

/// How often a client that takes nothing is looked at, whether it was over its soft limit for too long: as often
/// as Redis does.
pub const OUTBOX_CHECK: Duration = Duration::from_secs(1);

/// A line that MONITOR shows; what is longer is cut short.
pub const MONITOR_LINE_BYTES: usize = 1024 * 1024;

/// How long CLIENT PAUSE has clients wait at most, whatever it is given.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a paused client may send ahead; beyond that it is not read from.
pub const PAUSED_BYTES: usize = 64 * 1024;

/// How long the end waits for clients to take the replies that they have coming.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// File descriptors beside those of clients: the data file and what belongs to it, listening sockets, the runtime, and
/// connections to `metrics-port`. As many as Redis keeps.
pub const RESERVED_FILES: usize = 32;

/// How long accepting pauses when the system refuses.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections to `metrics-port` at once; those beyond wait to be accepted.
pub const METRICS_CONNECTIONS: usize = 16;

/// How long one of them may take to send its request. So those who never do hold up a probe no longer than it waits.
pub const METRICS_HEADER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one of them may take.
pub const METRICS_TIMEOUT: Duration = Duration::from_secs(10);

/// What one of them may send before its request is complete: the least that hyper takes.
pub const METRICS_BUFFER_BYTES: usize = 8 * 1024;

/// Requests that one commit may hold: what waits longest for an answer waits for so many others at most.
pub const COMMIT_REQUESTS: usize = 16 * 1024;

/// What the changes of a commit may take, but for the last: a request of a few bytes can change as much as
/// [`ARGUMENT_BYTES`], and a client may send thousands of them at once.
pub const COMMIT_BYTES: usize = 64 * 1024 * 1024;

/// The same between MULTI and EXEC, which is one commit whatever it changes.
pub const TRANSACTION_BYTES: usize = REQUEST_BYTES;

/// Effects that the writer applies before it lets readers in between. An op with more is applied as a whole:
/// others see all of it or nothing.
pub const APPLY_EFFECTS: usize = 256;

/// Segments, of some sixty keys or members each, that are swept before the writer turns to what waits; fewer
/// where much is taken out of them. The store is locked for so long: the benchmark `expiry` measured 0.1 ms where few
/// entries of each segment end and where all do, 0.3 in between, so that no reader waits for a millisecond.
pub const SWEEP_SEGMENTS: usize = 128;

/// Look-ups, or insertions into one set, that are made side by side: as many as processors have fetches under way, and
/// some more, since not each step of each waits for one.
pub const LOOKUPS_AHEAD: usize = 32;

/// Members of a set from which on SMEMBERS is streamed: fewer are copied while nobody waits for long (some tenths of
/// a millisecond), and their reply is not much more than what is gathered anyway.
pub const STREAMED_MEMBERS: usize = 4 * 1024;

/// What is gathered of a streamed reply before it is written out and others have their turn. (Measured: with
/// [`OUTPUT_BYTES`], which saves a sixth of the time, those who ask beside it wait twice as long.)
pub const STREAMED_BYTES: usize = 16 * 1024;

/// What a walk hands out while it holds the store, unless one member alone is longer; some sixty members at most.
pub const WALK_STEP_BYTES: usize = 16 * 1024;

/// Walks at once: what the writer has to look at for each change of a set that all of them walk. SMEMBERS of a large
/// set is refused beyond.
pub const WALKS: usize = 256;

/// What all walks together note of the changes behind them. Where it is more, the one that notes most is lost, and its
/// client's connection with it.
pub const WALK_SAVED_BYTES: usize = 256 * 1024 * 1024;

/// What the sets take together that were removed while they are walked, and are kept for that: memory that they took
/// before. That of ten million token ids has room. The walks of one that has none are lost.
pub const WALK_REMOVED_BYTES: usize = 1024 * 1024 * 1024;

/// How often a client that takes nothing is looked at, whether its walk was lost.
pub const WALK_CHECK: Duration = Duration::from_millis(100);

/// Share of what the rows of the journal would take that say what is so, above which compaction begins: Redis rewrites
/// its file at 200. With 175, and the pace below, the file stays below 2.5 times that under any load, if what it finds
/// first is all still so.
pub const COMPACT_ABOVE_PERCENT: u64 = 175;

/// What the journal may take beside that before compaction begins: a small file is not worth it.
pub const COMPACT_SLACK_BYTES: u64 = 16 * 1024 * 1024;

/// Rows that a step of compaction takes away, at least; a time stamp ends it. Commits wait for one, about a millisecond.
pub const COMPACT_ROWS: usize = 512;

/// Steps that follow one commit at most: some 40 ms. What is left is owed, and done behind the next ones, or when nobody
/// waits.
pub const COMPACT_STEPS: usize = 64;

/// Rows that compaction looks at for each that is written. Where all that is still so stands in front, the journal grows
/// by a quarter of it until compaction is through; then two of five rows say nothing any more, and it shrinks.
pub const COMPACT_PACE: u64 = 4;

/// Pages of the data file that may be empty before some are given back to the file system, beside an eighth of all: those
/// that come are written into them.
pub const KEPT_PAGES: u64 = 1024;

/// Pages that are given back at once. Each takes the place of one that is moved from the end of the file.
pub const PAGES_GIVEN_BACK: u64 = 128;

/// Rows between two time stamps in the journal: what a query walks back, at most, to tell when a row was
/// written.
pub const TIMESTAMP_ROWS: usize = 256;

/// Chunks of rows that are on their way from the thread that reads them at start to the one that applies them: enough that
/// neither waits for the other's turns.
pub const REPLAY_CHUNKS: usize = 8;

/// Entries of a chunk.
pub const REPLAY_CHUNK_ENTRIES: usize = 1024;

/// What the names and strings in a chunk take at most, unless one row alone has more: that is read when all before it
/// are applied.
pub const REPLAY_CHUNK_BYTES: usize = 128 * 1024;

/// Members of a large set that are gathered before they are put into it together, at start or by one command: some 40 MB
/// while they are. The more they are, the fewer times each part of the set is visited.
pub const GATHERED_MEMBERS: usize = 1024 * 1024;

/// From so many members on a set is large, and a command that adds so many to a set has them gathered: its parts are no
/// longer in the processor's nearest caches.
pub const GATHER_FROM: usize = 4 * 1024;

/// Transactions at the end of the write-ahead log that may not be synced yet where commits are: the one at hand. Whoever
/// commits something unsynced, because no client waits for it, has to raise this; what is lost of so many transactions
/// can't be told from what a power cut tears.
pub const UNSYNCED_TRANSACTIONS: u64 = 1;

/// Keys that one client watches.
pub const WATCHED_KEYS: usize = 1024;

/// Reads between MULTI and EXEC that may take long, or answer much: the writer executes them, and holds all
/// their replies. What is queued in all is bounded by [`REQUEST_BYTES`].
pub const QUEUED_SLOW_READS: usize = 64;

/// Most entries that SLOWLOG can be told to keep, of four kilobytes each at most.
pub const SLOWLOG_ENTRIES: usize = 100_000;

/// Arguments of an entry of SLOWLOG, one that counts the others included: Redis's `SLOWLOG_ENTRY_MAX_ARGC`.
pub const SLOWLOG_ARGUMENTS: usize = 32;

/// Bytes of an argument that SLOWLOG keeps: Redis's `SLOWLOG_ENTRY_MAX_STRING`.
pub const SLOWLOG_ARGUMENT_BYTES: usize = 128;

/// Samples that LATENCY keeps of each event: Redis's `LATENCY_TS_LEN`.
pub const LATENCY_SAMPLES: usize = 160;

/// Longest number that INCRBYFLOAT reads: Redis's `MAX_LONG_DOUBLE_CHARS`, which counts a terminating zero.
pub const FLOAT_BYTES: usize = 5 * 1024 - 1;
/// Longest name that CLIENT SETNAME and CLIENT SETINFO keep of a client.
pub const CLIENT_NAME_BYTES: usize = 1024;

/// Users that there can be.
pub const USERS: usize = 16 * 1024;

/// What the rules of one of them may take. Each of its requests is held against them, one by one.
pub const USER_BYTES: usize = 1024 * 1024;

/// Bits of a password that ACL GENPASS makes: as in Redis.
pub const RANDOM_PASSWORD_BITS: usize = 4096;

/// Most entries that ACL LOG can be told to keep.
pub const ACL_LOG_ENTRIES: usize = 10_000;

/// Bytes that ACL LOG keeps of a key, a channel or a user's name: a client chooses them.
pub const ACL_LOG_BYTES: usize = 1024;

/// Entries among which one is looked for that says the same, as in Redis.
pub const ACL_LOG_MERGED: usize = 10;

/// How much older that may be, in milliseconds: Redis's `ACL_LOG_GROUPING_MAX_TIME_DELTA`.
pub const ACL_LOG_MERGED_MS: i64 = 60_000;

/// What the reply to a connection's first failed login waits; then twice as long with each that follows.
pub const FIRST_LOGIN_DELAY: Duration = Duration::from_millis(10);

/// What it waits at most: nobody who mistypes a password notices, and who guesses gets three guesses a second out of
/// each connection.
pub const LONGEST_LOGIN_DELAY: Duration = Duration::from_millis(320);

/// Names that one COMMAND INFO or COMMAND DOCS may ask for: more than there are, so that each can be.
pub const COMMAND_NAMES: usize = 1024;

/// Arguments of an unknown command that the error repeats: Redis's bound of 128 bytes.
pub const UNKNOWN_COMMAND_BYTES: usize = 128;

const _: () = assert!(METRICS_CONNECTIONS <= RESERVED_FILES / 2);
const _: () = assert!(REQUEST_BYTES + READ_BYTES < u32::MAX as usize, "a place in a request is a u32");
const _: () = assert!(ARGUMENT_BYTES < REQUEST_BYTES);
const _: () = assert!(UNAUTHENTICATED_ARGUMENTS < REQUEST_ARGUMENTS);
const _: () = assert!(UNAUTHENTICATED_ARGUMENT_BYTES < ARGUMENT_BYTES);
const _: () = assert!(OUTPUT_BYTES < UNANSWERED_BYTES);
const _: () = assert!(COMMIT_BYTES < TRANSACTION_BYTES);
const _: () = assert!(QUEUED_BYTES < u32::MAX as usize, "permits are counted in u32");
const _: () = assert!(BATCH_REPLY_BYTES < COMMIT_BYTES);
const _: () = assert!(LEAST_REQUEST_BYTES > LINE_BYTES && LEAST_REQUEST_BYTES <= ARGUMENT_BYTES);
const _: () = assert!(DATABASES as usize <= 64);
const _: () =
    assert!(REPLAY_CHUNK_BYTES + 2 * ARGUMENT_BYTES < u32::MAX as usize, "a place in a chunk is a u32");
