//! What can't be together, or isn't there, though each option could be as it is: the start refuses it, and check-config names
//! it.

use std::net::{IpAddr, SocketAddr};

use super::Config;
use crate::acl::Users;
use crate::command;
use crate::tls::Tls;

/// An option that can't be as it is beside the others, and why.
pub(super) type Fault = (&'static str, String);

impl Config {
    /// The fault of users that are named in two places, if they are.
    pub(super) fn users_fault(&self) -> Option<Fault> {
        let why = "users are named here, or in the aclfile, but not in both";
        (!self.users.is_empty() && self.aclfile.is_some()).then(|| ("user", why.to_owned()))
    }

    /// Why these ports and sockets can't be listened on, if they can't. Where systemd hands on sockets, none is made.
    #[must_use]
    pub fn listening_fault(&self) -> Option<(&'static str, String)> {
        if self.port == 0 && self.tls_port == 0 && self.unixsocket.is_none() {
            let why = "there is nothing to listen on: port is 0, and there is no tls-port and no unixsocket";
            return Some(("port", why.to_owned()));
        }
        let addresses = |name, port: u16, ips: &[IpAddr]| {
            let addresses = ips.iter().map(|&ip| (name, SocketAddr::new(ip, port))).collect::<Vec<_>>();
            if port > 0 { addresses } else { Vec::new() }
        };
        let all = [
            addresses("port", self.port, &self.bind),
            addresses("tls-port", self.tls_port, &self.bind),
            addresses("metrics-port", self.metrics_port.unwrap_or(0), &self.metrics_bind),
        ]
        .concat();
        all.iter().enumerate().find_map(|(place, (name, address))| {
            let (other, _) =
                all[..place].iter().find(|(other, known)| other != name && overlap(*known, *address))?;
            Some((*name, format!("{address} is listened on by {other} already")))
        })
    }

    /// All that keeps a server from starting with this configuration, as far as that shows in it and the files that it
    /// names.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let users = self.users_fault().or_else(|| {
            let users = Users::new(command::catalogue(), self.aclfile.clone());
            let why = users.read(&self.users, self.requirepass.as_deref()).err()?;
            Some((if self.aclfile.is_some() { "aclfile" } else { "user" }, why))
        });
        let tls = (self.tls_port > 0).then(|| Tls::default().turn_on(&self.tls).err()).flatten();
        let tls = tls.map(|why| ("tls-port", why));
        [users, self.listening_fault(), tls].into_iter().flatten().collect()
    }
}

/// Whether not both can be listened on.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || (is_any && one.is_ipv4() == other.is_ipv4()))
}
