//! Server: what a running pipeline does, over HTTP, for people and for Prometheus.
//!
//! [`Server::start`] listens on a thread of its own and answers from a [`Source`]. It knows neither streams nor engine: it
//! shows numbers, texts and JSON objects that it is given. It changes nothing, keeps nothing but [`Recent`], and asks
//! nobody for a password; so it listens on this machine only, answers `GET` alone, and refuses names that are not this
//! machine's (`guard`).
//!
//! | path | is |
//! |---|---|
//! | `/` | the page, with `/app.js`, `/app.css` and `/icon.svg` |
//! | `/healthz` | `ok`, or 503 with the reason |
//! | `/metrics` | Prometheus' text format, version 0.0.4 |
//! | `/api/status` | version, pipeline, uptime, tasks with their numbers, totals |
//! | `/api/pipeline` | the graph as text and as Mermaid |
//! | `/api/findings?limit=N` | the most recent findings, newest first |
//!
//! ```
//! use std::net::{Ipv4Addr, SocketAddr};
//! use std::sync::Arc;
//!
//! use hw_server::{Pipeline, Server, Source, Task};
//!
//! struct Idle;
//!
//! impl Source for Idle {
//!     fn pipeline(&self) -> Pipeline {
//!         Pipeline { name: "idle".into(), text: "nothing".into(), mermaid: "flowchart LR".into() }
//!     }
//!     fn health(&self) -> Result<(), String> {
//!         Ok(())
//!     }
//!     fn tasks(&self) -> Vec<Task> {
//!         Vec::new()
//!     }
//!     fn findings(&self, _limit: usize) -> Result<Vec<serde_json::Value>, String> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(Idle))?;
//! println!("http://{}/", server.local_addr());
//! server.stop();
//! # Ok(())
//! # }
//! ```

mod guard;
mod metrics;
mod page;
mod recent;
mod routes;
mod serve;
mod source;

pub use recent::Recent;
pub use serve::Server;
pub use source::{Numbers, Pipeline, Source, Task};
