//! Serve: a listening socket, the thread behind it, and an end in bounded time.
//!
//! It does not know what is answered; that stands in `routes`.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::Source;
use crate::routes::routes;

/// Answers that are under way when the server is stopped have this long.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// A server at work. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Carries nothing: dropping it is the signal.
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address`, which must be one of this machine alone; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when others could reach the address, [`ErrorKind::AddrInUse`] when the port is taken, and
    /// whatever else the system says.
    pub fn start(address: SocketAddr, source: Arc<dyn Source>) -> Result<Server> {
        if !address.ip().is_loopback() {
            let says =
                format!("{address} can be reached from other machines; give an address of this one, such as 127.0.0.1");
            return Err(Error::new(ErrorKind::InvalidInput, says));
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(|error| {
            let says = match error.kind() {
                ErrorKind::AddrInUse => format!("port {} of {} is in use", address.port(), address.ip()),
                _ => format!("cannot listen on {address}: {error}"),
            };
            Error::new(error.kind(), says)
        })?;
        let address = listener.local_addr()?;
        let routes = routes(source, address.port());
        let (stop, stopped) = watch::channel(());
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || serve(&runtime, listener, routes, &stopped))?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets answers under way end for at most a second, and waits for the thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has ended as well.
            let _ = thread.join();
        }
    }
}

/// Serves until the sender is dropped, and a bounded time longer.
fn serve(runtime: &Runtime, listener: TcpListener, routes: Router, stopped: &watch::Receiver<()>) {
    runtime.block_on(async {
        let served = axum::serve(listener, routes).with_graceful_shutdown(is_dropped(stopped.clone()));
        let out_of_time = async {
            is_dropped(stopped.clone()).await;
            tokio::time::sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            _ = served.into_future() => (),
            () = out_of_time => (),
        }
    });
}

async fn is_dropped(mut stopped: watch::Receiver<()>) {
    // Nothing is ever sent, so this ends with an error, when the sender is gone.
    while stopped.changed().await.is_ok() {}
}
