//! TLS: who the server says it is, whom it takes for a client, and how that changes while it runs.
//!
//! Connections keep what they were accepted with. Those that come later are accepted with what was read last: at start,
//! when it is asked for (SIGHUP, CONFIG SET), and by itself when a file has changed. What can't be used is no reason to
//! give up what can: the former certificate stays, and the log says why.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Tag, Tagged as _};

use crate::limits::{CA_FILES, CERTIFICATE_REMINDER, CERTIFICATE_WARNING};

/// `id-at-commonName`, RFC 5280.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What the configuration says of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The server's certificate, and those between it and a root, in PEM.
    pub cert_file: Option<PathBuf>,
    /// Its private key, in PEM, not encrypted.
    pub key_file: Option<PathBuf>,
    /// Who signs the certificates of clients, in PEM.
    pub ca_cert_file: Option<PathBuf>,
    /// A folder of such files.
    pub ca_cert_dir: Option<PathBuf>,
    /// Whether clients need a certificate.
    pub auth_clients: AuthClients,
    /// What of a client's certificate names the user that it is.
    pub auth_clients_user: AuthClientsUser,
    /// What is spoken.
    pub protocols: Protocols,
}

/// What of a client's certificate names the user that it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthClientsUser {
    /// Nothing: it logs in by AUTH.
    #[default]
    Off,
    /// The common name of its subject.
    CommonName,
}

impl AuthClientsUser {
    /// All of them, in the order of their words in the configuration.
    pub const ALL: [Self; 2] = [Self::Off, Self::CommonName];

    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::CommonName => "cn",
        }
    }

    /// The user that these certificates of a client name, its own in front, if they are to name one.
    ///
    /// # Errors
    ///
    /// If they are, and there is a certificate, but no name in it.
    pub fn named_by(
        self,
        certificates: Option<&[CertificateDer<'_>]>,
    ) -> Result<Option<String>, &'static str> {
        match (self, certificates.and_then(<[_]>::first)) {
            (Self::Off, _) | (_, None) => Ok(None),
            (Self::CommonName, Some(own)) => {
                common_name(own).map(Some).ok_or("the client's certificate has no common name in plain text")
            }
        }
    }
}

/// Whether clients need a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// Those without are refused.
    #[default]
    Yes,
    /// It need not have one; one that it has must be good.
    Optional,
    /// None is asked for.
    No,
}

impl AuthClients {
    /// All of them, in the order of their words in the configuration.
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Optional];

    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Optional => "optional",
            Self::No => "no",
        }
    }
}

/// The versions of TLS that are spoken. The default is both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocols {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 alone.
    Tls12,
    /// 1.3 alone.
    Tls13,
}

impl Protocols {
    /// What a list of names stands for, in any case; an empty one for the default.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut known = [("TLSv1.2", false), ("TLSv1.3", false)];
        for word in text.split_ascii_whitespace() {
            known.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(word))?.1 = true;
        }
        Some(match known.map(|(_, is_named)| is_named) {
            [true, false] => Self::Tls12,
            [false, true] => Self::Tls13,
            _ => Self::Both,
        })
    }

    fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&TLS12, &TLS13],
            Self::Tls12 => vec![&TLS12],
            Self::Tls13 => vec![&TLS13],
        }
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "TLSv1.2 TLSv1.3",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

/// What new connections are accepted with. The default accepts none, and nothing turns it on but the first
/// [`Tls::turn_on`].
#[derive(Default)]
pub struct Tls(Mutex<Option<Current>>);

struct Current {
    options: Options,
    acceptor: TlsAcceptor,
    end: Option<SystemTime>,
    /// The files as they were when they were looked at last, whether or not they could be used.
    files: Vec<Stamp>,
    /// When the log was told last that the certificate ends soon.
    warned: Option<SystemTime>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.lock().as_ref().map(|current| &current.options)).finish()
    }
}

impl Tls {
    /// Accepts connections from now on.
    ///
    /// # Errors
    ///
    /// If the files can't be used, with text that names the one at fault.
    pub fn turn_on(&self, options: &Options) -> Result<(), String> {
        let current = Current::load(options)?;
        *self.lock() = Some(current);
        Ok(())
    }

    /// Reads the files anew, which may be others now. Does nothing while TLS is off.
    ///
    /// # Errors
    ///
    /// If the files can't be used, with text that names the one at fault. All is as it was then.
    pub fn reload(&self, options: &Options) -> Result<(), String> {
        if self.lock().is_some() { self.turn_on(options) } else { Ok(()) }
    }

    /// What a new connection is accepted with, and what of its certificate names a user, unless TLS is off.
    #[must_use]
    pub fn acceptor(&self) -> Option<(TlsAcceptor, AuthClientsUser)> {
        let current = self.lock();
        current.as_ref().map(|current| (current.acceptor.clone(), current.options.auth_clients_user))
    }

    /// When the server's certificate ends, if that is known.
    #[must_use]
    pub fn certificate_end(&self) -> Option<SystemTime> {
        self.lock().as_ref()?.end
    }

    /// Reads the files anew if they have changed, and warns of a certificate that ends soon. To be called from time to time,
    /// where waiting for the disk keeps nobody else waiting.
    pub fn look_after(&self) {
        let Some(options) = self.lock().as_ref().map(|current| current.options.clone()) else { return };
        let files = stamps(&options);
        let has_changed = self.lock().as_mut().is_some_and(|current| {
            let has_changed = current.files != files;
            current.files = files;
            has_changed
        });
        if has_changed {
            match self.reload_as_it_was(&options) {
                Ok(()) => {
                    tracing::info!("The files of TLS have changed: new connections are accepted with them");
                }
                Err(why) => tracing::error!(
                    "The files of TLS have changed, and can't be used: connections are accepted as before: {why}"
                ),
            }
        }
        if let Some(current) = &mut *self.lock() {
            current.warn_of_end(SystemTime::now());
        }
    }

    /// Reads the files anew that these options name, unless others count meanwhile.
    fn reload_as_it_was(&self, options: &Options) -> Result<(), String> {
        let loaded = Current::load(options)?;
        if let Some(current) = &mut *self.lock()
            && current.options == *options
        {
            *current = loaded;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn load(options: &Options) -> Result<Self, String> {
        // Before they are read: what changes meanwhile is read again.
        let files = stamps(options);
        let certificates = required(options.cert_file.as_deref(), "tls-cert-file", certificates)?;
        let key = required(options.key_file.as_deref(), "tls-key-file", |file| {
            PrivateKeyDer::from_pem_file(file)
                .map_err(|error| reason(&error, "private key that is not encrypted"))
        })?;
        let end = certificates.first().and_then(certificate_end);
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&options.protocols.versions())
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier(options, provider)?)
            .with_single_cert(certificates, key)
            .map_err(|error| format!("tls-cert-file and tls-key-file: {error}"))?;
        // Connections last, so there is little to be saved; and who comes back is looked at as closely as before.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut current = Self { options: options.clone(), acceptor, end, files, warned: None };
        current.warn_of_end(SystemTime::now());
        Ok(current)
    }

    fn warn_of_end(&mut self, now: SystemTime) {
        let Some(end) = self.end.filter(|&end| end < now + CERTIFICATE_WARNING) else { return };
        if self.warned.is_some_and(|warned| now < warned + CERTIFICATE_REMINDER) {
            return;
        }
        self.warned = Some(now);
        match end.duration_since(now) {
            Ok(left) => tracing::warn!(
                "The certificate of TLS (tls-cert-file) ends in {} days: replace it, which needs no restart",
                days(left)
            ),
            Err(_) => {
                tracing::error!("The certificate of TLS (tls-cert-file) has ended: clients refuse it");
            }
        }
    }
}

/// Whole days.
#[must_use]
pub fn days(duration: Duration) -> u64 {
    duration.as_secs() / (24 * 60 * 60)
}

/// Reads a file that must be there. What is wrong is told with the option's name.
fn required<T>(
    file: Option<&Path>,
    option: &str,
    read: impl Fn(&Path) -> Result<T, String>,
) -> Result<T, String> {
    let file = file.ok_or_else(|| format!("{option} is not set, which TLS needs"))?;
    read(file).map_err(|why| format!("{option}: {}: {why}", file.display()))
}

/// The certificates in a file, of which there is one at least.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(reason(&pem::Error::NoItemsFound, "certificate")),
        outcome => outcome.map_err(|error| reason(&error, "certificate")),
    }
}

fn reason(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {wanted} in it, in PEM"),
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The common name of the certificate's subject: the first, if there are several, as OpenSSL has it.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let mut attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|name| name.0.iter());
    let name = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
    // Those whose bytes are UTF-8. The others (RFC 5280, 4.1.2.4) are not made any more, and read so they name somebody else.
    if !matches!(name.value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String) {
        return None;
    }
    String::from_utf8(name.value.value().to_vec()).ok()
}

/// When a certificate ends; unknown if it is of an odd make.
fn certificate_end(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate.validity.not_after.to_system_time())
}

/// What looks at the certificates of clients.
fn verifier(options: &Options, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if options.auth_clients == AuthClients::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let roots = roots(options)?;
    if roots.is_empty() {
        return Err(format!(
            "tls-auth-clients is {}, which needs tls-ca-cert-file or tls-ca-cert-dir: who signs the certificates of clients",
            options.auth_clients.as_str()
        ));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match options.auth_clients {
        AuthClients::Optional => builder.allow_unauthenticated(),
        AuthClients::Yes | AuthClients::No => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

fn roots(options: &Options) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let mut add = |option: &str, file: &Path, certificates: Vec<CertificateDer<'static>>| {
        certificates
            .into_iter()
            .try_for_each(|certificate| roots.add(certificate))
            .map_err(|error| format!("{option}: {}: {error}", file.display()))
    };
    if let Some(file) = &options.ca_cert_file {
        add("tls-ca-cert-file", file, required(Some(file), "tls-ca-cert-file", certificates)?)?;
    }
    if let Some(folder) = &options.ca_cert_dir {
        let option = "tls-ca-cert-dir";
        let files = required(Some(folder), option, files_in)?;
        // OpenSSL's folders have other files beside certificates: revocation lists, a README.
        for file in files {
            if let Ok(found) = certificates(&file) {
                add(option, &file, found)?;
            }
        }
    }
    Ok(roots)
}

/// The files in a folder, sorted.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    paths.retain(|path| path.is_file());
    if paths.len() > CA_FILES {
        return Err(format!("there are more than {CA_FILES} files in it"));
    }
    paths.sort();
    Ok(paths)
}

/// What changes when a file does: device and inode, size, the times of its content and its state.
type Stamp = (PathBuf, Option<[i64; 8]>);

/// The files that options name, as they are now. Links are followed.
fn stamps(options: &Options) -> Vec<Stamp> {
    let named = [&options.cert_file, &options.key_file, &options.ca_cert_file, &options.ca_cert_dir];
    let mut files: Vec<_> = named.into_iter().flatten().cloned().collect();
    files.extend(options.ca_cert_dir.iter().filter_map(|folder| files_in(folder).ok()).flatten());
    let stamp = |file: PathBuf| {
        let of = |metadata: fs::Metadata| {
            let (device, inode, size) =
                (metadata.dev() as i64, metadata.ino() as i64, metadata.size() as i64);
            let content = [metadata.mtime(), metadata.mtime_nsec()];
            let state = [metadata.ctime(), metadata.ctime_nsec()];
            [device, inode, size, content[0], content[1], state[0], state[1], i64::from(metadata.mode())]
        };
        let seen = fs::metadata(&file).ok().map(of);
        (file, seen)
    };
    files.into_iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_named_as_in_redis() {
        for (text, shown) in [
            ("", "TLSv1.2 TLSv1.3"),
            ("tlsv1.3", "TLSv1.3"),
            ("TLSv1.2", "TLSv1.2"),
            ("TLSv1.3 TLSv1.2", "TLSv1.2 TLSv1.3"),
        ] {
            assert_eq!(Protocols::parse(text).unwrap().to_string(), shown);
        }
        for old in ["TLSv1", "TLSv1.1 TLSv1.2", "SSLv3", "TLSv1.2,TLSv1.3"] {
            assert_eq!(Protocols::parse(old), None, "{old}");
        }
    }

    #[test]
    fn a_common_name_counts_where_its_bytes_are_utf_8() {
        let named = |name: rcgen::DnValue| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            AuthClientsUser::CommonName.named_by(Some(&[certificate.der().clone()]))
        };
        assert_eq!(named("gateway".into()), Ok(Some("gateway".to_owned())));
        assert_eq!(named(rcgen::DnValue::PrintableString("a".try_into().unwrap())), Ok(Some("a".to_owned())));
        assert!(named(rcgen::DnValue::TeletexString("a".try_into().unwrap())).is_err());
        assert!(named(rcgen::DnValue::BmpString("a".try_into().unwrap())).is_err());
        assert_eq!(AuthClientsUser::CommonName.named_by(None), Ok(None), "it has none");
    }

    #[test]
    fn what_is_missing_is_named() {
        let tls = Tls::default();
        let refusal = |options: &Options| tls.turn_on(options).unwrap_err();
        assert_eq!(refusal(&Options::default()), "tls-cert-file is not set, which TLS needs");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cert.pem");
        let options = Options { cert_file: Some(file.clone()), ..Options::default() };
        assert!(refusal(&options).contains("cert.pem: "), "{}", refusal(&options));
        fs::write(&file, "nothing").unwrap();
        assert!(refusal(&options).ends_with("cert.pem: there is no certificate in it, in PEM"));
        assert!(tls.acceptor().is_none());
        assert_eq!(tls.reload(&options), Ok(()), "what is off is left alone");
    }

    #[test]
    fn the_end_of_a_certificate_is_announced_once_a_day() {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(folder.path().join(name));
        fs::write(path("cert").unwrap(), key.cert.pem()).unwrap();
        fs::write(path("key").unwrap(), key.signing_key.serialize_pem()).unwrap();
        let options = Options {
            cert_file: path("cert"),
            key_file: path("key"),
            auth_clients: AuthClients::No,
            ..Options::default()
        };
        let mut current = Current::load(&options).unwrap();
        // rcgen's last until the year 4096.
        let end = current.end.unwrap();
        assert_eq!(current.warned, None);
        let early = end - CERTIFICATE_WARNING - Duration::from_secs(1);
        current.warn_of_end(early);
        assert_eq!(current.warned, None);
        let late = end - CERTIFICATE_WARNING + Duration::from_secs(1);
        current.warn_of_end(late);
        assert_eq!(current.warned, Some(late));
        current.warn_of_end(late + CERTIFICATE_REMINDER / 2);
        assert_eq!(current.warned, Some(late));
        current.warn_of_end(late + CERTIFICATE_REMINDER);
        assert_eq!(current.warned, Some(late + CERTIFICATE_REMINDER));
    }
}
