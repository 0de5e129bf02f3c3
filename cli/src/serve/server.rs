//! Connections: taken, bounded, and ended.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use super::answer::Site;

/// Connections at a time. Further ones wait until one ends.
const CONNECTIONS: usize = 256;
/// What a request's head may take in time and bytes.
const HEAD_TIME: Duration = Duration::from_secs(10);
const HEAD_SIZE: usize = 16 << 10;
/// How long a client may take none of an answer.
const STALL: Duration = Duration::from_secs(60);
/// What answers that are on their way may take when the server is to end.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a connection could not be taken: there are too many open files, say.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `end` is ready.
///
/// # Errors
/// If the system gives no event loop.
pub fn run(listener: TcpListener, site: Site, end: impl Future<Output = ()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let graceful = GracefulShutdown::new();
        let site = Arc::new(site);
        tokio::select! {
            () = accept(&listener, &site, &graceful) => {}
            () = end => {}
        }
        drop(listener);
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
        Ok::<_, io::Error>(())
    })?;
    // A file system that hangs is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn accept(listener: &tokio::net::TcpListener, site: &Arc<Site>, graceful: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALL));
        let site = Arc::clone(site);
        let answer = service_fn(move |request| {
            let site = Arc::clone(&site);
            async move { Ok::<_, std::convert::Infallible>(site.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_SIZE)
            .serve_connection(TokioIo::new(Box::pin(stream)), answer);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What a client does wrong, or that it went away, is nobody's business here.
            let _ = connection.await;
            drop(place);
        });
    }
}
