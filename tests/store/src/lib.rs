//! An S3 server on this machine, for the tests of whatever keeps things on an object store: real requests, signed and checked,
//! with files behind them.
//!
//! It can be made to fail, as stores do. Start reading at [`Server`].

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The one bucket that there is.
pub const BUCKET: &str = "bucket";
/// Whom it lets in.
const ACCESS_KEY: &str = "tests";
const SECRET_KEY: &str = "not-a-secret";

/// A server that ends with its owner.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    away: Arc<AtomicBool>,
    /// Of its own, so that whoever waits for it may do so in any runtime or none.
    runtime: Option<Runtime>,
}

impl Server {
    /// Serves what lies in `folder` at `listen`.
    ///
    /// # Errors
    /// If the folder can't be used, or the address is taken.
    pub fn start(listen: &str, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder.join(BUCKET))?;
        let files = FileSystem::new(folder).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // Bound without waiting: its owner may be a task of another runtime.
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let (address, away) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        runtime.spawn(serve(listener, service.build(), Arc::clone(&away)));
        drop(within);
        Ok(Self { address, away, runtime: Some(runtime) })
    }

    /// Port that it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Refuses every connection from now on, or takes them again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// The variables by which it is reached at `host`.
    pub fn variables(&self, host: &str) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", format!("http://{host}:{}", self.port())),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its owner may be a task, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service, away: Arc<AtomicBool>) {
    let connections = Builder::new(TokioExecutor::new());
    while let Ok((socket, _)) = listener.accept().await {
        let connection = connections.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
        let away = Arc::clone(&away);
        tokio::spawn(async move {
            tokio::select! {
                _ = connection => {}
                () = until(&away) => {}
            }
        });
    }
}

/// Comes back once the server is to be away; what is under way is cut off then.
async fn until(away: &AtomicBool) {
    while !away.load(Ordering::Relaxed) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
