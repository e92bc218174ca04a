//! A listener under mutual TLS for `axum::serve`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::tls::{Identity, Role, TlsError, bearer};

/// Handshakes going on at once; more connections wait in the system's backlog.
const HANDSHAKES: usize = 256;

/// What a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(3);

/// Pause after the system refused to hand out a connection, as when file handles have run out.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection: read it as `ConnectInfo<Peer>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What its certificate says, within our experiment.
    pub role: Role,
    /// Where it called from.
    pub address: SocketAddr,
}

/// Accepts TCP connections and makes TLS of them; one that dawdles or has no right certificate delays no other.
///
/// Serve with `axum::serve(listener, router.into_make_service_with_connect_info::<Peer>())`.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    uid: Arc<str>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, Peer)>>,
}

impl Listener {
    /// Makes `tcp` a listener of `identity`.
    pub fn new(tcp: TcpListener, identity: &Identity) -> Result<Self, TlsError> {
        let tls = TlsAcceptor::from(Arc::new(identity.server_config()?));
        let address = tcp.local_addr().map_err(TlsError::Listen)?;
        Ok(Self { tcp, address, tls, uid: identity.uid().into(), handshakes: JoinSet::new() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn begin(&mut self, stream: TcpStream, address: SocketAddr) {
        let (tls, uid) = (self.tls.clone(), self.uid.clone());
        self.handshakes.spawn(async move {
            let done = timeout(HANDSHAKE_TIME, handshake(tls, stream, address, &uid)).await;
            match done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(connection) => Some(connection),
                Err(error) => {
                    debug!(%address, %error, "connection refused");
                    None
                }
            }
        });
    }
}

async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    uid: &str,
) -> io::Result<(TlsStream<TcpStream>, Peer)> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let (role, of) = certificate.ok_or(TlsError::Name).and_then(bearer).map_err(io::Error::other)?;
    if of != uid {
        return Err(io::Error::other("the certificate is of another experiment"));
    }
    Ok((stream, Peer { role, address }))
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.tcp.accept(), if self.handshakes.len() < HANDSHAKES => match accepted {
                    Ok((stream, address)) => self.begin(stream, address),
                    Err(error) => {
                        debug!(%error, "no connection accepted");
                        tokio::time::sleep(REFUSED_PAUSE).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // axum asks only to print it: what is at the other end of a listener is its own address.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        *stream.remote_addr()
    }
}
