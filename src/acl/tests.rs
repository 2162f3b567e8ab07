//! Users as rules make them; what Redis says to each rule was asked of Redis 7.0.

use proptest::prelude::*;

use super::user::Line;
use super::*;
use crate::reply::RuleProblem;

/// A table of a few commands.
fn catalogue() -> &'static Catalogue {
    let row = |name, categories: &[&'static str], subcommands| Row {
        name,
        categories: categories.to_vec(),
        subcommands,
    };
    Box::leak(Box::new(Catalogue::new(vec![
        row("get", &["@read", "@string", "@fast"], 0),
        row("set", &["@write", "@string", "@slow"], 0),
        row("sadd", &["@write", "@set", "@fast"], 0),
        row("config", &["@slow"], 2),
        row("config|get", &["@admin", "@slow", "@dangerous"], 0),
        row("config|set", &["@admin", "@slow", "@dangerous"], 0),
        row("select", &["@connection", "@fast"], 0),
    ])))
}

fn rules(line: &str) -> Rules {
    try_rules(line).unwrap()
}

fn try_rules(line: &str) -> Result<Rules, RuleProblem> {
    let line = format!("u {line}");
    let mut rules = Rules::none(catalogue());
    let words = Line::parse(line.as_bytes()).unwrap().rules;
    rules.apply_all(&words, catalogue()).map_err(|(_, problem)| problem)?;
    Ok(rules)
}

fn described(line: &str) -> String {
    String::from_utf8(User::new(1, b"u", rules(line)).describe()).unwrap()
}

/// Which commands the user's own rights allow.
fn allowed(line: &str) -> Vec<&'static str> {
    let rules = rules(line);
    let is_allowed = |&row: &usize| rules.selectors()[0].allows_command(row, None);
    (0..catalogue().len()).filter(is_allowed).map(|row| catalogue().row(row).name).collect()
}

#[test]
fn a_new_user_may_do_nothing_and_reset_brings_back_to_that() {
    assert_eq!(described(""), "user u off resetchannels -@all");
    assert_eq!(described("on >p ~* &* +@all (+get) reset"), described(""));
    assert_eq!(described("on nopass allkeys allchannels allcommands"), "user u on nopass ~* &* +@all");
    assert!(rules("~* &* +@all").allow_everything() && !rules("~* &* +@all -get").allow_everything());
    assert!(rules("(~* &* +@all)").allow_everything(), "a selector is enough");
    assert!(rules("~* &* +@all -get +get").allow_everything(), "all again");
    assert!(!rules("~* +@all").allow_everything() && !rules("&* +@all").allow_everything());
}

#[test]
fn rules_on_commands_count_in_their_order() {
    assert_eq!(allowed("+@read +SADD"), ["get", "sadd"]);
    assert_eq!(allowed("+@all -@dangerous -set"), ["get", "sadd", "config", "select"]);
    assert_eq!(allowed("+config -config|set"), ["config", "config|get"]);
    assert_eq!(allowed("+config|get"), ["config|get"]);
    assert_eq!(allowed("+@string -@write"), ["get"]);
    assert_eq!(allowed("-@write +@string"), ["get", "set"]);
    assert_eq!(allowed("+@geo -@scripting +get nocommands +set"), ["set"]);
}

#[test]
fn rules_are_shown_in_their_order_without_those_that_do_nothing_any_more() {
    assert_eq!(described("+@read -get +@read"), "user u off resetchannels -@all -get +@read");
    assert_eq!(described("+config|get +Config"), "user u off resetchannels -@all +config");
    assert_eq!(described("+get +set -get"), "user u off resetchannels -@all +set -get");
    assert_eq!(described("+set allcommands -get"), "user u off resetchannels +@all -get");
    assert_eq!(
        described("on nopass ~a %R~b %rw~c %W~d &e &f (+get ~k* ) (+@write)"),
        "user u on nopass ~a %R~b ~c %W~d resetchannels &e &f -@all (~k* resetchannels -@all +get) (resetchannels \
         -@all +@write)"
    );
    assert_eq!(described("%R~a %W~a"), "user u off ~a resetchannels -@all");
    assert_eq!(described("~a %RW~*"), "user u off ~* resetchannels -@all");
}

#[test]
fn a_command_may_be_allowed_with_one_first_argument() {
    let rules = rules("+select|0");
    let select = catalogue().find(b"select").unwrap();
    let is_allowed = |argument| rules.selectors()[0].allows_command(select, argument);
    assert!(is_allowed(Some(b"0")) && !is_allowed(Some(b"1")) && !is_allowed(None));
    assert_eq!(described("+select|0"), "user u off resetchannels -@all +select|0");
    assert_eq!(described("+select|0 -select"), "user u off resetchannels -@all -select");
    assert!(!self::rules("+select|0 -select").selectors()[0].allows_command(select, Some(b"0")));
}

#[test]
fn keys_are_allowed_to_be_read_or_written_or_both() {
    let rules = rules("~both* %R~read %W~write");
    let allows = |key: &str, access| rules.selectors()[0].allows_key(key.as_bytes(), access);
    assert!(allows("both", Access::ALL) && allows("bothx", Access::WRITE) && !allows("x", Access::NONE));
    assert!(allows("read", Access::READ) && !allows("read", Access::WRITE) && !allows("read", Access::ALL));
    assert!(allows("write", Access::WRITE) && !allows("write", Access::READ));
    assert!(allows("read", Access::NONE) && allows("write", Access::NONE), "a look is allowed to either");
}

#[test]
fn a_pattern_of_channels_is_allowed_only_as_it_stands() {
    let rules = rules("&news.* (&sport)");
    assert!(rules.allow_subscription(b"news.a", false) && rules.allow_subscription(b"sport", false));
    assert!(rules.allow_subscription(b"news.*", true) && !rules.allow_subscription(b"news.a*", true));
    assert!(!rules.allow_subscription(b"x", false));
}

#[test]
fn what_is_wrong_is_named_as_redis_names_it() {
    for (line, problem) in [
        ("foo", RuleProblem::Syntax),
        ("+nosuch", RuleProblem::Unknown),
        ("-nosuch", RuleProblem::Unknown),
        ("+@nosuch", RuleProblem::Unknown),
        ("~* ~b", RuleProblem::AllKeys),
        ("~* %X~b", RuleProblem::AllKeys),
        ("&* &b", RuleProblem::AllChannels),
        ("<p", RuleProblem::NoSuchPassword),
        ("#abc", RuleProblem::InvalidHash),
        ("!abc", RuleProblem::InvalidHash),
        ("+config|get|x", RuleProblem::FirstArgumentOfSubcommand),
        ("+config|", RuleProblem::Syntax),
        ("+config|nosuch", RuleProblem::Unknown),
        ("-select|0", RuleProblem::Unknown),
        ("%X~a", RuleProblem::Syntax),
        ("%RR~a", RuleProblem::Syntax),
        ("%~a", RuleProblem::Syntax),
        ("%R", RuleProblem::Syntax),
        ("(on)", RuleProblem::Syntax),
        ("(+nosuch)", RuleProblem::Unknown),
    ] {
        assert_eq!(try_rules(line), Err(problem), "{line}");
    }
    let long = "~".to_owned() + &"x".repeat(crate::limits::USER_BYTES);
    assert_eq!(try_rules(&long), Err(RuleProblem::TooLong));
}

fn users() -> Users {
    Users::new(catalogue(), None)
}

fn set(users: &Users, name: &str, rules: &str) -> Result<(), String> {
    users.set(name.as_bytes(), rules.split(' ').map(str::as_bytes)).map_err(|error| error.to_string())
}

#[test]
fn a_user_is_changed_in_its_place_and_one_made_anew_is_another() {
    let users = users();
    set(&users, "u", "on >p +get").unwrap();
    let before = users.find(b"u").unwrap();
    set(&users, "u", "+set").unwrap();
    let after = users.find(b"u").unwrap();
    assert!(before.is(&after) && after.describe().ends_with(b"-@all +get +set"));
    assert!(set(&users, "u", "+sadd nonsense").is_err());
    assert!(Arc::ptr_eq(&after, &users.find(b"u").unwrap()), "all or nothing");
    assert_eq!(users.remove([&b"u"[..], b"nosuch"].into_iter()), Ok(1));
    set(&users, "u", "on").unwrap();
    assert!(!before.is(&users.find(b"u").unwrap()));
    assert_eq!(users.remove([&b"u"[..], b"default"].into_iter()), Err(Error::DefaultUserStays));
    assert!(users.find(b"u").is_some());
    assert!(set(&users, "a b", "on").is_err());
}

#[test]
fn a_password_lets_in_whom_it_is_of_and_who_is_on() {
    let users = users();
    set(&users, "u", "on >p >q").unwrap();
    set(&users, "idle", "off >p").unwrap();
    set(&users, "open", "on nopass").unwrap();
    let is_let_in =
        |name: &str, password: &str| users.authenticate(name.as_bytes(), password.as_bytes()).is_some();
    assert!(is_let_in("u", "p") && is_let_in("u", "q") && !is_let_in("u", "r") && !is_let_in("u", ""));
    assert!(!is_let_in("idle", "p") && !is_let_in("nosuch", "p") && is_let_in("open", "x"));
    set(&users, "u", "<p").unwrap();
    assert!(!is_let_in("u", "p") && is_let_in("u", "q"));
    set(&users, "u", &format!("!{}", Digest::of(b"q"))).unwrap();
    assert!(!is_let_in("u", "q"));
}

#[test]
fn requirepass_is_the_password_of_the_default_user() {
    let users = users();
    let default = || String::from_utf8(users.default_user().describe()).unwrap();
    users.set_default_password(Some("foo"));
    assert_eq!(default(), format!("user default on #{} ~* &* +@all", Digest::of(b"foo")));
    set(&users, "default", ">bar -get").unwrap();
    users.set_default_password(None);
    assert_eq!(default(), "user default on nopass ~* &* +@all -get");
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.acl");
    let users = Users::new(catalogue(), Some(path.clone()));
    users.set_default_password(Some("foo"));
    set(&users, "same", "on >p +get").unwrap();
    set(&users, "other", "on >p +get").unwrap();
    set(&users, "gone", "on >p +get").unwrap();
    let before = |name: &str| users.find(name.as_bytes());
    let (same, other) = (before("same").unwrap(), before("other").unwrap());
    users.save().unwrap();
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(saved.lines().count(), 4);
    assert!(!saved.contains(">p") && saved.contains(&Digest::of(b"p").to_string()));

    let lines = saved.lines().filter(|line| line.starts_with("user same"));
    let text = lines.collect::<String>() + "\n\n  user other on +set ( ~a +get )\n";
    fs::write(&path, &text).unwrap();
    users.load().unwrap();
    assert!(before("gone").is_none());
    assert!(before("same").unwrap().is(&same), "nothing has changed");
    assert!(!before("other").unwrap().is(&other));
    assert!(
        users.authenticate(b"default", b"foo").is_some() && users.authenticate(b"default", b"x").is_none()
    );

    let wrong = "user same on\nuser a +nosuch\nuse b\nuser same off\nuser c >secret nonsense\nuser d (+get\n";
    fs::write(&path, wrong).unwrap();
    let error = users.load().unwrap_err().to_string();
    let place = |line: usize| format!("{}:{line}: ", path.display());
    let expected = [
        "ERR ".to_owned(),
        place(2) + "user 'a': '+nosuch': Unknown command or category name in ACL. ",
        place(3) + "line should start with user keyword. ",
        place(4) + "duplicate user 'same'. ",
        place(5) + "user 'c': Syntax error. ",
        place(6) + "user 'd': unmatched parenthesis in selector definition. ",
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed".to_owned(),
    ];
    assert_eq!(error, expected.concat());
    assert!(before("same").unwrap().is(&same) && before("other").is_some());
    assert_eq!(Users::new(catalogue(), None).load(), Err(Error::NoAclFile));
}

#[test]
fn no_password_is_shown_by_what_is_made_for_debugging() {
    let users = users();
    set(&users, "u", "on >s3cret").unwrap();
    let shown = format!("{users:?}");
    assert!(!shown.contains("s3cret") && !shown.contains(&Digest::of(b"s3cret").to_string()));
}

fn rule() -> impl Strategy<Value = String> {
    let fixed = [
        "on",
        "off",
        "nopass",
        "resetpass",
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
        "allcommands",
        "nocommands",
        "+@all",
        "-@all",
        "reset",
        "clearselectors",
        "+get",
        "-get",
        "+set",
        "-set",
        "+config",
        "-config",
        "+config|get",
        "-config|get",
        "+select|0",
        "+select|1",
        "-select",
        "+@read",
        "-@read",
        "+@write",
        "-@write",
        "+@slow",
        "-@slow",
        "+@geo",
        "-@dangerous",
        "+@connection",
    ];
    prop_oneof![
        4 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => "[>][a-c]{1,3}",
        1 => "(~|%R~|%W~|%RW~)[a-c*?]{0,3}",
        1 => "&[a-c*?]{0,3}",
        1 => prop::collection::vec(prop_oneof!["[+-](get|set|@string|config)", "(~|%R~)[a-c]{1,2}", "&[a-c]{1,2}"], 0..4)
            .prop_map(|words| format!("({})", words.join(" "))),
    ]
}

proptest! {
    #[test]
    fn a_user_is_made_again_of_what_describes_it(words in prop::collection::vec(rule(), 0..12)) {
        let mut rules = Rules::none(catalogue());
        for word in &words {
            // What is wrong here, such as a pattern behind all keys, changes nothing.
            let _ = rules.apply_all(&[word.clone().into_bytes()], catalogue());
        }
        let described = User::new(1, b"u", rules.clone()).describe();
        let line = Line::parse(described.strip_prefix(b"user ").unwrap()).unwrap();
        let mut again = Rules::none(catalogue());
        again.apply_all(&line.rules, catalogue()).unwrap();
        prop_assert_eq!(again, rules);
    }

    #[test]
    fn no_rules_are_too_odd_to_be_refused_or_described(line in "[ -~]{0,40}") {
        if let Ok(rules) = file::user(line.as_bytes(), catalogue()).map(|(_, rules)| rules) {
            let described = User::new(1, b"u", rules.clone()).describe();
            let (_, again) = file::user(&described[5..], catalogue()).unwrap();
            prop_assert_eq!(again, rules);
        }
    }
}

#[test]
fn a_name_is_one_that_can_be_read_again() {
    let users = Users::new(catalogue(), None);
    for name in ["", "a b", "a\nb", "a\0"] {
        assert_eq!(users.set(name.as_bytes(), [&b"on"[..]].into_iter()), Err(Error::InvalidUserName));
    }
    assert_eq!(users.list().len(), 1);
}

#[test]
fn commands_that_only_redis_has_can_be_named_and_change_nothing() {
    assert_eq!(described("+xinfo -EVAL +Eval|x"), "user u off resetchannels -@all +xinfo -eval +eval|x");
    assert_eq!(described("+debug|x -debug +debug"), "user u off resetchannels -@all +debug");
    assert!(rules("~* &* +@all -debug -script|flush").allow_everything());
    assert_eq!(allowed("+get +hget +xinfo|stream -lpush"), ["get"]);
    for wrong in ["+nosuch", "-nosuch", "+nosuch|x", "+xinfo|nosuch", "-eval|x"] {
        assert_eq!(try_rules(wrong).unwrap_err(), RuleProblem::Unknown, "{wrong}");
    }
    assert_eq!(try_rules("+eval|").unwrap_err(), RuleProblem::Syntax);
}

#[test]
fn a_user_of_the_name_user_is_configured_by_its_name() {
    let users = Users::new(catalogue(), None);
    users.set(b"user", [&b"on"[..], b"nopass"].into_iter()).unwrap();
    let lines = users.to_configure().unwrap();
    assert_eq!(lines, ["user on nopass resetchannels -@all"]);
    let named = users.read(&lines, None).unwrap();
    users.count(named);
    assert!(users.find(b"user").is_some());
}
