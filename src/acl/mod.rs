//! Who may do what: users, what rules give them, and what they were denied.
//!
//! A [`User`] is made of rules in Redis's syntax, and does not change; [`Users`] has them by name, and puts another one
//! in the place of one whose rules change. A connection holds the user that it is, and is told when users have changed
//! (`Client::review` in `clients.rs`): so a request looks nothing up, and a user that may do everything costs it one
//! branch. What rules name are the rows of a [`Catalogue`], which is made of the command table.
//!
//! What a request touches is not known here, but where the commands are (`command/permission.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::user::is_name;
use crate::limits::USERS;
use crate::replace::replace_file;
use crate::reply::{Error, printable};

pub use self::catalogue::{Catalogue, Row};
pub use self::log::{Context, Denial, Entry, Log, Reason};
pub use self::password::Digest;
pub use self::selector::{Access, Selector};
pub use self::user::{Rules, User};

mod catalogue;
mod file;
mod foreign;
mod log;
mod password;
mod selector;
#[cfg(test)]
mod tests;
mod user;

/// The user that a connection is that has not logged in. It is always there.
pub const DEFAULT_USER: &str = "default";

/// All users of a server.
#[derive(Debug)]
pub struct Users {
    catalogue: &'static Catalogue,
    by_name: RwLock<ByName>,
    /// Held by whoever changes them, from the first look to the end. What the default user's password is where nothing
    /// but `requirepass` says it; none, if it needs none.
    changing: Mutex<Option<Digest>>,
    last_id: AtomicU64,
    /// `aclfile`.
    file: Option<PathBuf>,
    /// What was denied to them.
    pub log: Log,
}

/// Users that were read, and do not count yet.
#[derive(Debug)]
pub struct Named {
    users: file::Named,
    requirepass: Option<Digest>,
}

type ByName = BTreeMap<Box<[u8]>, Arc<User>>;

impl Users {
    /// The default user alone, who may do everything. ACL LOAD and SAVE are about `file`.
    #[must_use]
    pub fn new(catalogue: &'static Catalogue, file: Option<PathBuf>) -> Self {
        let users = Self {
            catalogue,
            by_name: RwLock::default(),
            changing: Mutex::default(),
            last_id: AtomicU64::new(0),
            file,
            log: Log::default(),
        };
        users.put(users.made(DEFAULT_USER.as_bytes(), Rules::all(catalogue)));
        users
    }

    /// The user of this name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The user that a connection is that has not logged in.
    ///
    /// # Panics
    ///
    /// Never: it is always there.
    #[must_use]
    #[allow(clippy::expect_used, reason = "it is put first, and never removed")]
    pub fn default_user(&self) -> Arc<User> {
        self.find(DEFAULT_USER.as_bytes()).expect("there is a default user")
    }

    /// All users, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<User>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The user of this name, if this is its password and it is on. How long that takes tells nothing of the password,
    /// and not whether there is such a user.
    #[must_use]
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let digest = Digest::of(password);
        self.find(name).filter(|user| user.rules().let_in(digest))
    }

    /// Applies rules to the user of this name, all or none. It is made if there is none.
    ///
    /// # Errors
    ///
    /// If that can't be a name, a rule is wrong, or there is no room.
    pub fn set<'a>(&self, name: &[u8], rules: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
        let merged = user::merge_selectors(rules);
        let rules = merged.map_err(|word| Error::UnmatchedParenthesis(printable(word)))?;
        // It would not be read again from where it is saved.
        if !is_name(name) {
            return Err(Error::InvalidUserName);
        }
        let _changing = self.lock();
        let known = self.find(name);
        if known.is_none() && self.by_name.read().unwrap_or_else(PoisonError::into_inner).len() >= USERS {
            return Err(Error::TooManyUsers);
        }
        let mut changed =
            known.as_ref().map_or_else(|| Rules::none(self.catalogue), |user| user.rules().clone());
        changed
            .apply_all(&rules, self.catalogue)
            .map_err(|(rule, problem)| Error::WrongRule { rule: printable(rule), problem })?;
        self.put(match known {
            Some(known) => User::new(known.id(), name, changed),
            None => self.made(name, changed),
        });
        Ok(())
    }

    /// Removes users. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If one of them is the default user: then none is removed.
    pub fn remove<'a>(&self, names: impl Iterator<Item = &'a [u8]> + Clone) -> Result<usize, Error> {
        if names.clone().any(|name| name == DEFAULT_USER.as_bytes()) {
            return Err(Error::DefaultUserStays);
        }
        let _changing = self.lock();
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        Ok(names.filter(|&name| by_name.remove(name).is_some()).count())
    }

    /// Sets the default user's password, or that it needs none: `requirepass`.
    pub fn set_default_password(&self, password: Option<&str>) {
        let mut requirepass = self.lock();
        *requirepass = password.map(|password| Digest::of(password.as_bytes()));
        let known = self.default_user();
        let rules = known.rules().clone().with_password(*requirepass);
        self.put(User::new(known.id(), known.name(), rules));
    }

    /// Reads the users that the configuration names: in its file of users, if there is one, or in these lines. They don't
    /// count before [`Self::count`] is told so. `requirepass` is the password of the default user, where nothing else names
    /// it. Waits for the disk.
    ///
    /// # Errors
    ///
    /// Says what is wrong, for people.
    pub fn read(&self, lines: &[String], requirepass: Option<&str>) -> Result<Named, String> {
        let users = match &self.file {
            Some(path) => self.read_file(path)?,
            None => file::configured(lines.iter().map(String::as_str), self.catalogue)?,
        };
        Ok(Named { users, requirepass: requirepass.map(|password| Digest::of(password.as_bytes())) })
    }

    /// Makes the users that were read, and no others but the default one.
    pub fn count(&self, named: Named) {
        let mut requirepass = self.lock();
        *requirepass = named.requirepass;
        let names_default = named.users.iter().any(|(name, _)| **name == *DEFAULT_USER.as_bytes());
        if names_default && named.requirepass.is_some() {
            tracing::warn!("requirepass has no effect: there is a line for the user {DEFAULT_USER}");
        }
        self.replace(named.users, *requirepass);
    }

    /// The users as the configuration would have to name them to make them again, but for the default one where
    /// `requirepass` says all of it.
    ///
    /// # Errors
    ///
    /// If a name or a rule is not UTF-8, as all in the configuration is.
    pub fn to_configure(&self) -> Result<Vec<String>, String> {
        let requirepass = self.lock();
        let plain = Rules::all(self.catalogue).with_password(*requirepass);
        let is_said = |user: &User| user.name() == DEFAULT_USER.as_bytes() && *user.rules() == plain;
        let text = |user: &User| {
            let line = String::from_utf8(user.describe_without_keyword());
            line.map_err(|_| format!("user {}: it is not UTF-8", printable(user.name())))
        };
        self.list().iter().filter(|user| !is_said(user)).map(|user| text(user)).collect()
    }

    /// Makes the users that the file names, and no others: those that it has not are gone. One that it has just as it
    /// was stays the same; one that it has otherwise is another user, but for the default one. Without one of that name in
    /// the file, the default user may do everything, with the password that `requirepass` sets. Waits for the disk.
    ///
    /// # Errors
    ///
    /// Says what is wrong: the users are as they were.
    pub fn load(&self) -> Result<(), Error> {
        let path = self.file.as_ref().ok_or(Error::NoAclFile)?;
        let users = self.read_file(path).map_err(Error::AclLoadFailed)?;
        let requirepass = self.lock();
        self.replace(users, *requirepass);
        Ok(())
    }

    fn read_file(&self, path: &Path) -> Result<file::Named, String> {
        let text = fs::read(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
        file::parse(path, &text, self.catalogue)
    }

    /// Writes the users to the file. Waits for the disk.
    ///
    /// # Errors
    ///
    /// If there is no file, or it can't be written: it is as it was then.
    pub fn save(&self) -> Result<(), Error> {
        let path = self.file.as_ref().ok_or(Error::NoAclFile)?;
        let changing = self.lock();
        let lines: Vec<_> = self.list().iter().map(|user| [&user.describe()[..], b"\n"].concat()).collect();
        let outcome = replace_file(path, &lines.concat());
        drop(changing);
        outcome.map_err(|error| {
            tracing::error!(%error, "Users were not saved to {}", path.display());
            Error::AclSaveFailed
        })
    }

    /// To be called while no one else can change them.
    fn replace(&self, users: file::Named, requirepass: Option<Digest>) {
        let known = |name: &[u8]| self.find(name);
        let default = self.default_user();
        let mut by_name = ByName::new();
        let plain = Rules::all(self.catalogue).with_password(requirepass);
        by_name
            .insert(DEFAULT_USER.as_bytes().into(), Arc::new(User::new(default.id(), default.name(), plain)));
        for (name, rules) in users {
            let user = match known(&name) {
                Some(known) if *known.rules() == rules || known.is(&default) => {
                    User::new(known.id(), &name, rules)
                }
                _ => self.made(&name, rules),
            };
            by_name.insert(name, Arc::new(user));
        }
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = by_name;
    }

    fn made(&self, name: &[u8], rules: Rules) -> User {
        User::new(self.last_id.fetch_add(1, Relaxed) + 1, name, rules)
    }

    fn put(&self, user: User) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(user.name().into(), Arc::new(user));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Digest>> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with users as the configuration has them, if something is: of each its name and its rules, in one line.
#[must_use]
pub fn problem<'a>(lines: impl Iterator<Item = &'a str>, catalogue: &Catalogue) -> Option<String> {
    file::configured(lines, catalogue).err()
}

/// Whether there is something in it that ends a word, as in Redis.
fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b)
}
