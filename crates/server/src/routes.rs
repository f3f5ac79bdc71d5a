//! Routes: which path gives what.
//!
//! A handler asks the source and writes down what it says; it computes nothing but sums.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Serialize;
use serde_json::json;

use crate::guard::guard;
use crate::metrics;
use crate::page::FILES;
use crate::source::{Numbers, Source, Task};

/// Findings in an answer when the request does not say how many.
const FINDINGS: usize = 100;

/// What handlers answer from.
#[derive(Clone)]
struct Shown {
    source: Arc<dyn Source>,
    began: Instant,
}

/// Everything that is answered on `port`.
pub(crate) fn routes(source: Arc<dyn Source>, port: u16) -> Router {
    let began = Instant::now();
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route("/api/pipeline", get(pipeline))
        .route("/api/findings", get(findings));
    for file in &FILES {
        router = router.route(
            file.path,
            get(move || async move { ([(CONTENT_TYPE, file.content_type)], file.text) }),
        );
    }
    router
        .fallback(nothing)
        .with_state(Shown { source, began })
        // The last layer is the outermost: what no route answers passes it as well.
        .layer(middleware::from_fn_with_state(port, guard))
}

/// A short answer that says what is wrong.
pub(crate) fn refuse(status: StatusCode, says: &str) -> Response {
    (status, Json(json!({ "error": says }))).into_response()
}

async fn nothing() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        "there is nothing here; try /, /healthz, /metrics, /api/status, /api/pipeline or /api/findings",
    )
}

async fn healthz(State(shown): State<Shown>) -> (StatusCode, String) {
    match shown.source.health() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let source = &shown.source;
    let is_running = source.health().is_ok();
    let text = metrics::text(
        &source.pipeline().name,
        is_running,
        shown.began.elapsed(),
        &source.tasks(),
    );
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

/// `/api/status`.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    pipeline: String,
    running: bool,
    /// Why it does not run.
    reason: Option<String>,
    uptime_seconds: f64,
    totals: Numbers,
    tasks: Vec<Task>,
}

async fn status(State(shown): State<Shown>) -> Json<Status> {
    let (source, reason) = (&shown.source, shown.source.health().err());
    let tasks = source.tasks();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        pipeline: source.pipeline().name,
        running: reason.is_none(),
        reason,
        uptime_seconds: shown.began.elapsed().as_secs_f64(),
        totals: Numbers::total(&tasks),
        tasks,
    })
}

async fn pipeline(State(shown): State<Shown>) -> Response {
    Json(shown.source.pipeline()).into_response()
}

async fn findings(State(shown): State<Shown>, uri: Uri) -> Response {
    let limit = match limit(uri.query().unwrap_or_default()) {
        Ok(limit) => limit,
        Err(says) => return refuse(StatusCode::BAD_REQUEST, &says),
    };
    match shown.source.findings(limit) {
        Ok(findings) => Json(json!({ "findings": findings })).into_response(),
        Err(reason) => refuse(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

/// The number behind `limit=`; other parts of the query mean nothing.
fn limit(query: &str) -> Result<usize, String> {
    match query.split('&').find_map(|part| part.strip_prefix("limit=")) {
        None => Ok(FINDINGS),
        Some(number) => number
            .parse()
            .map_err(|_| "limit must be a whole number, such as /api/findings?limit=20".to_owned()),
    }
}
