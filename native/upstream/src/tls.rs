//! TLS to an endpoint, with rustls and the ring provider. Ciphertext goes through one scratch buffer of the client's;
//! all plain text of a read is handed out in that read, so that epoll alone says when there is more.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use socket2::Socket;

use crate::endpoint::TlsOptions;
use crate::socket;

/// What plain text a read may bring beyond its ciphertext: a record that was held incomplete before.
pub(crate) const RECORD_ROOM: usize = 20 * 1024;
const WRITE_BYTES: usize = 64 * 1024;

/// Made once per endpoint; holds the sessions that connections resume.
pub(crate) struct TlsEndpoint {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// Reads the files. The error names the file, for the operator.
pub(crate) fn endpoint(options: &TlsOptions) -> Result<TlsEndpoint, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = if options.verify {
        builder.with_root_certificates(roots(options.ca.as_deref())?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    };
    let mut config = match (&options.certificate, &options.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", key.display()))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|e| format!("{} with {}: {e}", certificate.display(), key.display()))?
        }
        _ => return Err("a client certificate needs its key, and a key its certificate".to_owned()),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server_name = ServerName::try_from(options.server_name.clone())
        .map_err(|_| format!("{:?} is no server name", options.server_name))?;
    Ok(TlsEndpoint { config: Arc::new(config), server_name })
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |e: rustls::pki_types::pem::Error| format!("{}: {e}", file.display());
    let list: Vec<_> = CertificateDer::pem_file_iter(file).map_err(named)?.collect::<Result<_, _>>().map_err(named)?;
    if list.is_empty() { Err(format!("{}: no certificate in it", file.display())) } else { Ok(list) }
}

fn roots(ca: Option<&Path>) -> Result<Arc<RootCertStore>, String> {
    static SYSTEM: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let Some(file) = ca else {
        return SYSTEM
            .get_or_init(|| {
                let found = rustls_native_certs::load_native_certs();
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    return Err(format!("no CA certificates of the system can be read: {:?}", found.errors));
                }
                Ok(Arc::new(store))
            })
            .clone();
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(&file.to_path_buf())? {
        store.add(certificate).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(Arc::new(store))
}

/// One connection's TLS state.
pub(crate) struct Tls {
    connection: ClientConnection,
}

/// What a write did: bytes taken from the request, and whether the kernel would take no more.
pub(crate) struct Written {
    pub taken: usize,
    pub blocked: bool,
}

/// What a read did: bytes of plain text, and whether the stream ended and if so, whether as TLS wants it.
#[derive(Default)]
pub(crate) struct Received {
    pub length: usize,
    pub closed: bool,
}

impl Tls {
    pub(crate) fn new(endpoint: &TlsEndpoint) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(endpoint.config.clone(), endpoint.server_name.clone())?;
        Ok(Self { connection })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Sends what TLS itself has to say, then `bytes`.
    pub(crate) fn send(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<Written> {
        let mut taken = 0;
        loop {
            while self.connection.wants_write() {
                match self.connection.write_tls(&mut KernelWriter(socket)) {
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Written { taken, blocked: true }),
                    Err(e) => return Err(e),
                }
            }
            if taken == bytes.len() {
                return Ok(Written { taken, blocked: false });
            }
            let end = bytes.len().min(taken + WRITE_BYTES);
            taken += self.connection.writer().write(&bytes[taken..end])?;
        }
    }

    /// Reads once from the socket and decrypts into `into`, which is larger than [`RECORD_ROOM`]. None when there was
    /// nothing to read. An error of kind `InvalidData` is TLS's own.
    pub(crate) fn recv(
        &mut self,
        socket: &Socket,
        scratch: &mut [u8],
        into: &mut [u8],
    ) -> io::Result<Option<Received>> {
        let limit = scratch.len().min(into.len().saturating_sub(RECORD_ROOM));
        let Some(count) = socket::recv(socket, &mut scratch[..limit])? else { return Ok(None) };
        let mut received = Received::default();
        if count == 0 {
            // The socket's end without TLS's own end is a cut: whoever frames by the end must not take it for one.
            self.connection.read_tls(&mut io::empty())?;
            received.closed = true;
            return match self.connection.reader().read(into) {
                Ok(_) => Ok(Some(received)),
                Err(e) => Err(e),
            };
        }
        let mut cipher = &scratch[..count];
        while !cipher.is_empty() {
            self.connection.read_tls(&mut cipher)?;
            if let Err(error) = self.connection.process_new_packets() {
                // The peer learns why; it changes nothing for us if it does not.
                drop(self.send(socket, &[]));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            loop {
                match self.connection.reader().read(&mut into[received.length..]) {
                    Ok(0) => {
                        received.closed = true;
                        return Ok(Some(received));
                    }
                    Ok(length) => received.length += length,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(Some(received))
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end(&mut self, socket: &Socket) {
        self.connection.send_close_notify();
        // A peer that does not hear it learns the same from the socket's end.
        drop(self.send(socket, &[]));
    }

    /// TLS itself has something to send.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }
}

struct KernelWriter<'a>(&'a Socket);

impl Write for KernelWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0, bytes)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `verify: false`: whoever answers is believed. Signatures are still checked, or the handshake would be no proof of
/// even the key that was shown.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
