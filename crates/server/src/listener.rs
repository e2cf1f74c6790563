//! Accepting connections within bounds, and letting them end in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use sekimori_domain::limits;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How long to wait after the operating system could not accept (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that is bound but does not accept yet.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    pub(crate) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<Self> {
        let socket = TcpListener::bind(address).await.with_context(|| {
            format!("{address} cannot be listened on ({setting}); is another gate running?")
        })?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Serves `router` until `stop`, then lets connections finish for up to `drain`.
    pub(crate) async fn serve(
        self,
        router: Router,
        connections_max: usize,
        stop: CancellationToken,
        drain: Duration,
    ) {
        let slots = Arc::new(Semaphore::new(connections_max));
        let graceful = GracefulShutdown::new();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // A client that sends its head a byte a minute holds a connection no longer than this.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::REQUEST_HEAD_TIMEOUT)
            .max_headers(100);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .keep_alive_interval(Duration::from_secs(30));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.socket, &slots) => accepted,
            };
            let Some((stream, peer, slot)) = accepted else {
                continue;
            };
            let router = router.clone();
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                let router = router.clone();
                async move { Ok::<_, Infallible>(answer(router, request).await) }
            });
            let connection = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%peer, error = %error, "a connection ended early");
                }
                drop(slot);
            });
        }
        drop(self.socket);
        if tokio::time::timeout(drain, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("connections were cut after {} s", drain.as_secs());
        }
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> http::Response<Body> {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn accept(
    socket: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(
    tokio::net::TcpStream,
    SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    // The slot comes first: beyond the limit, connections wait in the operating system's queue.
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            // Without this, small answers in a stream wait 40 ms for an acknowledgement (Nagle).
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            Some((stream, peer, slot))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
