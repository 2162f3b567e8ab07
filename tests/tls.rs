//! TLS: who is let in, and how certificates change under a daemon that runs.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use support::process::{Daemon, Ended, Home, PATIENCE, free_port};

const CONFIG: i32 = 78;

#[test]
fn clients_are_served_in_full() {
    let place = Place::new(&["--tls-auth-clients", "no"]);
    let daemon = place.start();
    let mut client = place.client(None).connect().unwrap();
    assert_eq!(client.ask("SADD revoked token"), ":1");
    let info = client.ask_bulk("CLIENT INFO");
    assert!(info.contains(&format!(" laddr=127.0.0.1:{} ", place.port)), "{info}");
    let info = client.ask_bulk("INFO server");
    assert!(info.contains(&format!("name=tls,bind=127.0.0.1,port={}", place.port)), "{info}");
    assert_eq!(client.field("stats", "revoked_tls_handshakes"), "1");

    // More than the system and the session hold for either side.
    let value = "x".repeat(3_000_000);
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len()).as_bytes());
    assert_eq!(client.line(), "+OK");
    assert!(client.ask_bulk("GET k") == value);
    let requests = 200_000;
    client.send(&b"PING\r\n".repeat(requests));
    let mut replies = vec![0; b"+PONG\r\n".len() * requests];
    client.0.read_exact(&mut replies).unwrap();
    assert!(replies == b"+PONG\r\n".repeat(requests));

    // Messages of others come without being asked for.
    let mut subscriber = place.client(None).connect().unwrap();
    assert_eq!(subscriber.ask("SUBSCRIBE news"), "*3");
    (0..5).for_each(|_| drop(subscriber.line()));
    assert_eq!(client.ask("PUBLISH news revoked"), ":1");
    let message: Vec<_> = (0..7).map(|_| subscriber.line()).collect();
    assert_eq!(message.join(" "), "*3 $7 message $4 news $7 revoked");
    assert_eq!(client.ask("QUIT"), "+OK");
    assert_eq!(client.line(), "", "the end of the stream is told");
    daemon.stop();
}

#[test]
fn the_members_of_a_large_set_come_whole() {
    let place = Place::new(&["--tls-auth-clients", "no"]);
    let _daemon = place.start();
    let mut client = place.client(None).connect().unwrap();
    let members = 20_000;
    let names: Vec<_> = (0..members).map(|member| format!("{member:0>64}")).collect();
    assert_eq!(client.ask(&format!("SADD set {}", names[..900].join(" "))), ":900");
    for some in names[900..].chunks(900) {
        assert_eq!(client.ask(&format!("SADD set {}", some.join(" "))), format!(":{}", some.len()));
    }
    assert_eq!(client.ask("SMEMBERS set"), format!("*{members}"));
    let mut found: Vec<_> = (0..members).map(|_| (client.line(), client.line()).1).collect();
    found.sort_unstable();
    assert!(found == names);
}

mod clients_with_a_certificate {
    use super::*;

    #[test]
    fn alone_are_let_in_by_default() {
        let place = Place::new(&[]);
        let _daemon = place.start();
        assert_eq!(place.client(Some(&place.clients)).connect().unwrap().ask("PING"), "+PONG");
        assert!(place.client(None).connect().is_err());
        let stranger = Authority::new("stranger");
        assert!(place.client(Some(&stranger)).connect().is_err());
        let mut client = place.client(Some(&place.clients)).connect().unwrap();
        assert_eq!(client.field("stats", "revoked_tls_handshake_failures"), "2");
    }

    #[test]
    fn of_a_stranger_are_refused_where_none_is_needed() {
        let place = Place::new(&["--tls-auth-clients", "optional"]);
        let _daemon = place.start();
        assert_eq!(place.client(None).connect().unwrap().ask("PING"), "+PONG");
        assert_eq!(place.client(Some(&place.clients)).connect().unwrap().ask("PING"), "+PONG");
        assert!(place.client(Some(&Authority::new("stranger"))).connect().is_err());
    }

    /// That of the certificates is `client`.
    #[test]
    fn are_the_user_of_its_common_name_where_that_is_asked_for() {
        let place = Place::new(&["--tls-auth-clients-user", "cn", "--tls-auth-clients", "optional"]);
        let daemon = place.start();
        let user = |authority| place.client(authority).connect().unwrap().ask_bulk("ACL WHOAMI");
        let refused = || place.client(Some(&place.clients)).open().unwrap().line();
        let refusal = "-WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(refused(), refusal, "there is no such user");
        daemon.wait_for_log("A client's certificate names no user that is on");
        let mut admin = place.client(None).connect().unwrap();
        assert_eq!(admin.field("stats", "acl_access_denied_auth"), "1");
        assert_eq!(admin.ask("ACL SETUSER client on ~revoked +sismember +ping +acl|whoami"), "+OK");
        assert_eq!(user(Some(&place.clients)), "client");
        assert_eq!(user(None), "default");
        let mut gateway = place.client(Some(&place.clients)).connect().unwrap();
        assert_eq!(gateway.ask("SISMEMBER revoked token"), ":0");
        assert!(gateway.ask("SADD revoked token").starts_with("-NOPERM"));
        assert_eq!(admin.ask("ACL SETUSER client off"), "+OK");
        assert_eq!(refused(), refusal, "it is off");
        assert_eq!(admin.field("stats", "acl_access_denied_auth"), "2");
    }

    #[test]
    fn may_be_signed_by_any_of_a_folder() {
        let place = Place::new(&["--tls-ca-cert-file", ""]);
        let folder = place.home.path("authorities");
        fs::create_dir(&folder).unwrap();
        let other = Authority::new("other");
        fs::write(folder.join("a.pem"), place.clients.pem()).unwrap();
        fs::write(folder.join("b.pem"), other.pem()).unwrap();
        fs::write(folder.join("README"), "no certificate").unwrap();
        let place = place.with(&["--tls-ca-cert-dir", folder.to_str().unwrap()]);
        let _daemon = place.start();
        assert_eq!(place.client(Some(&place.clients)).connect().unwrap().ask("PING"), "+PONG");
        assert_eq!(place.client(Some(&other)).connect().unwrap().ask("PING"), "+PONG");
    }
}

#[test]
fn versions_that_are_not_wanted_are_not_spoken() {
    let place = Place::new(&["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]);
    let _daemon = place.start();
    assert!(place.client(None).version(&TLS12).connect().is_err());
    assert_eq!(place.client(None).version(&TLS13).connect().unwrap().ask("PING"), "+PONG");
}

mod a_new_certificate {
    use super::*;

    #[test]
    fn is_used_by_itself_and_no_connection_is_lost() {
        let place = Place::new(&["--tls-auth-clients", "no"]);
        let daemon = place.start();
        let mut client = place.client(None).connect().unwrap();
        let first = client.server_certificate();
        place.replace_certificate(365);
        daemon.wait_for_log("The files of TLS have changed: new connections are accepted with them");
        assert_ne!(place.client(None).connect().unwrap().server_certificate(), first);
        assert_eq!(client.ask("PING"), "+PONG");
        let seconds: u64 = client.field("server", "revoked_tls_certificate_expires_at").parse().unwrap();
        let days = client.field("server", "revoked_tls_certificate_expires_in_days");
        assert!(days == "364" && seconds > 0, "{days} {seconds}");
    }

    #[test]
    fn that_can_not_be_used_leaves_the_former() {
        let place = Place::new(&["--tls-auth-clients", "no"]);
        let daemon = place.start();
        let first = place.client(None).connect().unwrap().server_certificate();
        fs::write(place.home.path("key.pem"), "nothing").unwrap();
        daemon.wait_for_log("can't be used: connections are accepted as before: tls-key-file: ");
        assert_eq!(place.client(None).connect().unwrap().server_certificate(), first);
        // A key that is not the certificate's.
        fs::write(place.home.path("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        daemon.wait_for_log(
            "can't be used: connections are accepted as before: tls-cert-file and tls-key-file: ",
        );
        assert_eq!(place.client(None).connect().unwrap().server_certificate(), first);
    }

    #[test]
    fn is_used_when_config_set_names_the_same_path() {
        let place = Place::new(&["--tls-auth-clients", "no"]);
        let _daemon = place.start();
        let mut client = place.client(None).connect().unwrap();
        let first = client.server_certificate();
        place.replace_certificate(365);
        let set = format!("CONFIG SET tls-cert-file {}", place.home.path("cert.pem").display());
        assert_eq!(client.ask(&set), "+OK");
        assert_ne!(place.client(None).connect().unwrap().server_certificate(), first);
        let refusal = client.ask("CONFIG SET tls-cert-file /no/such.pem");
        assert!(refusal.contains("/no/such.pem: No such file"), "{refusal}");
        let (name, value) = ("tls-auth-clients", "yes");
        assert_eq!(client.ask(&format!("CONFIG SET {name} {value}")), "+OK");
        assert!(place.client(None).connect().is_err());
        assert_eq!(client.ask("PING"), "+PONG");
    }

    #[test]
    fn is_used_behind_sighup() {
        let place = Place::new(&["--tls-auth-clients", "no"]);
        let daemon = place.start();
        let first = place.client(None).connect().unwrap().server_certificate();
        place.replace_certificate(365);
        daemon.signal("HUP");
        until(|| place.client(None).connect().unwrap().server_certificate() != first);
    }

    #[test]
    fn that_ends_soon_is_warned_of() {
        let place = Place::new(&["--tls-auth-clients", "no"]);
        place.replace_certificate(10);
        let daemon = place.start();
        daemon.wait_for_log("The certificate of TLS (tls-cert-file) ends in 9 days");
    }
}

#[test]
fn plain_text_is_told_so() {
    let place = Place::new(&["--tls-auth-clients", "no"]);
    let daemon = place.start();
    let stream = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (&stream).write_all(b"PING\r\n").unwrap();
    let mut reply = String::new();
    (&stream).read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "-ERR this port speaks TLS, and was sent plain text\r\n");
    daemon.wait_for_log("the client speaks plain text");
}

#[test]
fn who_is_refused_without_a_word_is_logged() {
    // What the system would take for its own address towards others; nothing is sent.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let place = Place::new(&["--tls-auth-clients", "no", "--bind", "0.0.0.0", "--maxclients", "1"]);
    let daemon = place.start();
    if socket.connect("192.0.2.1:9").is_ok() {
        let address = socket.local_addr().unwrap().ip();
        let mut stranger = TcpStream::connect((address, place.port)).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stranger.read(&mut [0]).unwrap_or(0), 0);
        daemon.wait_for_log("A client on a port of TLS was refused: protected-mode");
    }
    let mut client = place.client(None).connect().unwrap();
    let before: usize = client.field("stats", "rejected_connections").parse().unwrap();
    let mut one_more = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    one_more.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(one_more.read(&mut [0]).unwrap_or(0), 0);
    daemon.wait_for_log("A client on a port of TLS was refused: maxclients");
    assert_eq!(client.field("stats", "rejected_connections"), (before + 1).to_string());
}

#[test]
fn a_handshake_counts_as_a_client_and_does_not_last_for_ever() {
    let place = Place::new(&["--maxclients", "2"]);
    let daemon = place.start_beside_a_port();
    let admin = daemon.connect();
    let idle = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    let refused = || {
        let mut reply = String::new();
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
        let _ = stream.write_all(b"QUIT\r\n");
        let _ = stream.read_to_string(&mut reply);
        reply == "-ERR max number of clients reached\r\n"
    };
    until(|| admin.text(&["INFO", "clients"]).contains("connected_clients:2"));
    assert!(refused());
    assert_eq!((&idle).read(&mut [0]).unwrap(), 0);
    daemon.wait_for_log("A handshake of TLS has failed");
    until(|| !refused());
}

#[test]
fn an_end_waits_for_no_handshake() {
    let place = Place::new(&[]);
    let daemon = place.start();
    let mut idle = TcpStream::connect(("127.0.0.1", place.port)).unwrap();
    let mut client = place.client(Some(&place.clients)).connect().unwrap();
    assert_eq!(client.ask("SADD k m"), ":1");
    daemon.stop();
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(client.line(), "");
}

#[test]
fn files_that_can_not_be_used_stop_the_start() {
    let place = Place::new(&["--tls-ca-cert-file", ""]);
    let ended = place.launch().ready().err().unwrap();
    assert_refused(&ended, "tls-auth-clients is yes, which needs tls-ca-cert-file or tls-ca-cert-dir");
    fs::remove_file(place.home.path("key.pem")).unwrap();
    let ended = place.launch().ready().err().unwrap();
    assert_refused(&ended, "key.pem: No such file or directory");
}

fn assert_refused(ended: &Ended, why: &str) {
    assert_eq!(ended.code, Some(CONFIG), "{}", ended.log);
    assert!(ended.log.contains(why), "{}", ended.log);
}

/// Who signs certificates.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key: KeyPair::generate().unwrap() }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.params.self_signed(&self.key).unwrap().der().clone()
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).unwrap(), key)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A home with a server's certificate in it.
struct Place {
    home: Home,
    port: u16,
    servers: Authority,
    clients: Authority,
}

impl Place {
    fn new(options: &[&str]) -> Self {
        let port = free_port();
        let place = Self {
            home: Home::new(),
            port,
            servers: Authority::new("servers"),
            clients: Authority::new("clients"),
        };
        place.replace_certificate(3650);
        fs::write(place.home.path("clients.pem"), place.clients.pem()).unwrap();
        let file = |name: &str| place.home.path(name).display().to_string();
        let (cert, key, clients) = (file("cert.pem"), file("key.pem"), file("clients.pem"));
        let port = port.to_string();
        let mut arguments = vec!["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
        if !options.contains(&"--tls-ca-cert-file") {
            arguments.extend(["--tls-ca-cert-file", &clients]);
        }
        place.with(&[&arguments, options].concat())
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        for argument in arguments {
            self.home = self.home.with_argument(argument);
        }
        self
    }

    /// One that is another, and ends in so many days.
    fn replace_certificate(&self, days: u64) {
        let mut params = named("server");
        params.not_after = (SystemTime::now() + Duration::from_secs(days * 24 * 60 * 60)).into();
        let (certificate, key) = self.servers.sign(&params);
        for (name, text) in [("key.pem", key.serialize_pem()), ("cert.pem", certificate.pem())] {
            let draft = self.home.path("draft");
            fs::write(&draft, text).unwrap();
            fs::rename(&draft, self.home.path(name)).unwrap();
        }
    }

    /// A daemon on the one port.
    fn launch(&self) -> Daemon {
        self.home.launch(0)
    }

    fn start(&self) -> Daemon {
        self.launch().ready().unwrap()
    }

    fn start_beside_a_port(&self) -> Daemon {
        self.home.start()
    }

    /// A client that knows the server's authority, and has a certificate of its own, if any.
    fn client(&self, authority: Option<&Authority>) -> Caller<'_> {
        let certificate = authority.map(|authority| {
            let (certificate, key) = authority.sign(&named("client"));
            (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        });
        Caller { place: self, certificate, versions: vec![&TLS13, &TLS12] }
    }
}

struct Caller<'a> {
    place: &'a Place,
    certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Caller<'_> {
    fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// A connection that was answered: with TLS 1.3, a client hears of its refusal only then.
    fn connect(self) -> io::Result<Client> {
        let mut client = self.open()?;
        client.0.get_mut().write_all(b"PING\r\n")?;
        let mut line = String::new();
        client.0.read_line(&mut line)?;
        assert_eq!(line, "+PONG\r\n");
        Ok(client)
    }

    /// A connection on which nothing was sent yet.
    fn open(self) -> io::Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(self.place.servers.der()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match self.certificate {
            Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => config.with_no_client_auth(),
        };
        let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.place.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client(BufReader::new(StreamOwned::new(session, stream))))
    }
}

/// A connection over TLS.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The first line of the reply.
    fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes());
        self.line()
    }

    /// The text of the reply.
    fn ask_bulk(&mut self, command: &str) -> String {
        let header = self.ask(command);
        let length: usize = header.strip_prefix('$').unwrap().parse().unwrap();
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    fn field(&mut self, section: &str, name: &str) -> String {
        let info = self.ask_bulk(&format!("INFO {section}"));
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name}: {info}")).to_owned()
    }

    fn server_certificate(&self) -> CertificateDer<'static> {
        self.0.get_ref().conn.peer_certificates().unwrap()[0].clone()
    }
}

fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        std::thread::yield_now();
    }
}
