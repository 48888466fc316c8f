//! From the operator's files to rustls' configuration of a listener. Errors name the file, for the operator.

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::collections::HashMap;
use std::sync::Arc;

/// What a file holds; control has read it.
#[derive(Clone, Debug)]
pub struct PemFile {
    /// For messages.
    pub name: String,
    /// PEM.
    pub text: String,
}

impl PemFile {
    fn error(&self, reason: impl std::fmt::Display) -> String {
        format!("{}: {reason}", self.name)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        self.all("no certificate in it")
    }

    /// All sections of a kind; at least one.
    fn all<T: PemObject>(&self, none: &str) -> Result<Vec<T>, String> {
        let parsed: Result<Vec<_>, _> = T::pem_slice_iter(self.text.as_bytes()).collect();
        match parsed {
            Ok(list) if list.is_empty() => Err(self.error(none)),
            Ok(list) => Ok(list),
            Err(error) => Err(self.error(error)),
        }
    }
}

/// A certificate with its chain, its key, and the names that it answers for.
#[derive(Debug)]
pub struct Identity {
    /// Lower case: a name, or `*.name` for all names below it.
    pub hosts: Vec<String>,
    /// Certificate, then its chain.
    pub certificate: PemFile,
    /// Not encrypted.
    pub key: PemFile,
}

/// TLS of one listener.
#[derive(Debug)]
pub struct TlsOptions {
    /// The first one answers clients that name no server, or none of these.
    pub identities: Vec<Identity>,
    /// None: clients are asked for no certificate.
    pub clients: Option<ClientOptions>,
    /// Speak TLS 1.3 only, not 1.2.
    pub only_tls13: bool,
}

/// Which certificates clients may have.
#[derive(Debug)]
pub struct ClientOptions {
    /// A certificate must be of one of them.
    pub authorities: PemFile,
    /// A client may have none.
    pub optional: bool,
    /// Their lists of revoked certificates. With them there must be one of each issuer in a client's chain, in force.
    pub revoked: Option<PemFile>,
}

/// Parses and checks everything.
pub fn server_config(options: &TlsOptions) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = if options.only_tls13 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let builder = match &options.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients, &provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::of(&options.identities, &provider)?));
    // RFC 7301: a client that offers protocols and not this one is told so, instead of being spoken to in HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn verifier(clients: &ClientOptions, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let ClientOptions { authorities, optional, revoked } = clients;
    let mut roots = RootCertStore::empty();
    for certificate in authorities.certificates()? {
        roots.add(certificate).map_err(|error| authorities.error(error))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if *optional {
        builder = builder.allow_unauthenticated();
    }
    if let Some(file) = revoked {
        // A list whose time is over may lack who was revoked since. What is not known to be in force is refused, as by
        // the others (nginx, haproxy, Apache).
        let lists: Vec<CertificateRevocationListDer<'static>> = file.all("no revocation list in it")?;
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    builder.build().map_err(|error| match (&error, revoked) {
        (VerifierBuilderError::InvalidCrl(_), Some(file)) => file.error(error),
        _ => authorities.error(error),
    })
}

/// Chooses the certificate by the name that the client asks for: exact, then the longest `*.` that fits, as routes are
/// chosen by host.
#[derive(Debug)]
struct ByName {
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*`: `.example.com`.
    suffixes: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    fn of(identities: &[Identity], provider: &CryptoProvider) -> Result<Self, String> {
        let (first, others) = identities.split_first().ok_or("a TLS listener needs a certificate")?;
        let mut by_name = Self { first: certified(first, provider)?, exact: HashMap::new(), suffixes: HashMap::new() };
        for identity in others {
            let key = certified(identity, provider)?;
            for host in &identity.hosts {
                match host.strip_prefix('*') {
                    Some(suffix) => by_name.suffixes.insert(suffix.to_owned(), key.clone()),
                    None => by_name.exact.insert(host.clone(), key.clone()),
                };
            }
        }
        Ok(by_name)
    }

    fn find(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.first };
        if let Some(key) = self.exact.get(&name) {
            return key;
        }
        // From the left, so that the longest suffix is met first.
        let dots = name.match_indices('.').map(|(at, _)| at);
        dots.filter(|at| *at > 0).find_map(|at| self.suffixes.get(&name[at..])).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.find(hello.server_name()).clone())
    }
}

fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, String> {
    let Identity { certificate, key, .. } = identity;
    let chain = certificate.certificates()?;
    let secret = PrivateKeyDer::from_pem_slice(key.text.as_bytes()).map_err(|error| key.error(error))?;
    let supported = "RSA of 2048 bits or more, P-256, P-384 and Ed25519 are supported";
    let signing = provider
        .key_provider
        .load_private_key(secret)
        .map_err(|error| key.error(format_args!("{error} ({supported})")))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(key.error(format_args!("is not the key of {}", certificate.name)))
        }
        // Other doubts are of the checker: it knows no certificates of version 1, which clients may well accept.
        _ => Ok(Arc::new(certified)),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
