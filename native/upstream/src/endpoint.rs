//! One address to send requests to: its options, its pool, its waiting queue.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use socket2::SockAddr;

use crate::tls::{self, TlsEndpoint};

/// Where an endpoint listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// TCP, IPv4 or IPv6.
    Ip(SocketAddr),
    /// Path of a unix stream socket.
    Unix(PathBuf),
}

impl Address {
    /// From an IP literal (IPv6 without brackets) and a port. The error is for the operator.
    pub fn ip(ip: &str, port: u16) -> Result<Self, String> {
        let ip: IpAddr = ip.parse().map_err(|_| format!("{ip:?} is no IPv4 or IPv6 address"))?;
        Ok(Self::Ip(SocketAddr::new(ip, port)))
    }

    pub(crate) fn to_sockaddr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Ip(address) => Ok(SockAddr::from(*address)),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }
}

/// How to speak TLS to an endpoint. File names are PEM files.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// DNS name or IP address that the certificate must be for; sent as SNI when it is a name.
    pub server_name: String,
    /// File of trusted CA certificates; None for the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate chain.
    pub certificate: Option<PathBuf>,
    /// Key of the client certificate.
    pub key: Option<PathBuf>,
    /// False: any certificate is accepted.
    pub verify: bool,
}

/// Options of an endpoint. A timeout of 0 is none.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// Where it listens.
    pub address: Address,
    /// None for plain text.
    pub tls: Option<TlsOptions>,
    /// From submit until the connection stands, waiting for a free one and TLS included.
    pub connect_timeout_ms: u32,
    /// From the last byte of the request until the end of the response head.
    pub response_timeout_ms: u32,
    /// Without a byte in either direction while a body is under way.
    pub idle_timeout_ms: u32,
    /// 0 is no limit.
    pub max_connections: u32,
    /// Requests that may wait for a connection.
    pub max_waiting: u32,
    /// How long an unused connection is kept.
    pub pool_idle_ms: u32,
}

/// An endpoint's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that have a ticket.
    pub in_flight: usize,
    /// Those of them that wait for a connection.
    pub waiting: usize,
    /// Connections without a request.
    pub idle: usize,
    /// All connections, those being made included.
    pub connections: usize,
    /// Connections begun since the endpoint was added.
    pub connects: u64,
}

pub(crate) struct Endpoint {
    pub address: Address,
    pub tls: Option<Arc<TlsEndpoint>>,
    pub connect_timeout_us: u64,
    pub response_timeout_us: u64,
    pub idle_timeout_us: u64,
    pub pool_idle_us: u64,
    pub max_connections: usize,
    pub max_waiting: usize,
    /// The most recently used last: taken from the end, so that a pool larger than the load shrinks.
    pub idle: Vec<u32>,
    /// Exchanges by index and generation; those that ended meanwhile are passed over.
    pub queue: VecDeque<(u32, u16)>,
    pub waiting: usize,
    pub in_flight: usize,
    pub connections: usize,
    pub connects: u64,
    pub removed: bool,
}

impl Endpoint {
    pub(crate) fn new(options: &EndpointOptions) -> Result<Self, String> {
        let us = |ms: u32| u64::from(ms) * 1000;
        let tls = options.tls.as_ref().map(tls::endpoint).transpose()?.map(Arc::new);
        options.address.to_sockaddr().map_err(|e| format!("{:?}: {e}", options.address))?;
        Ok(Self {
            address: options.address.clone(),
            tls,
            connect_timeout_us: us(options.connect_timeout_ms),
            response_timeout_us: us(options.response_timeout_ms),
            idle_timeout_us: us(options.idle_timeout_ms),
            pool_idle_us: us(options.pool_idle_ms),
            max_connections: if options.max_connections == 0 { usize::MAX } else { options.max_connections as usize },
            max_waiting: options.max_waiting as usize,
            idle: Vec::new(),
            queue: VecDeque::new(),
            waiting: 0,
            in_flight: 0,
            connections: 0,
            connects: 0,
            removed: false,
        })
    }
}
