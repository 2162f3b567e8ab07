//! Where metrics and the state of the server are asked for: HTTP, on a socket of its own.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the metrics, in the format that is asked for |
//! | `/live` | 200 while the process answers at all |
//! | `/ready` | 200 once reads are answered; 503 while the data file is replayed |
//! | `/writable` | 200 while writes are taken, too; 503 with the reason while they are refused |
//!
//! It is for the machine or its network: there is no password, and nothing that it tells names a token or a key.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Format, text};
use crate::command::Environment;
use crate::limits::{
    ACCEPT_PAUSE, METRICS_BUFFER_BYTES, METRICS_CONNECTIONS, METRICS_HEADER_TIMEOUT, METRICS_TIMEOUT,
};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// After how many seconds one who was told 503 may ask again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Answers whoever connects, a few at a time. It never ends by itself.
pub async fn serve(listener: TcpListener, environment: Arc<Environment>) {
    let places = Arc::new(Semaphore::new(METRICS_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let environment = Arc::clone(&environment);
                tokio::spawn(async move {
                    converse(stream, environment).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "Accepting a connection for metrics failed: it is tried again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one connection's requests until it ends. One that takes too long is cut off, whatever it waits for.
async fn converse(stream: TcpStream, environment: Arc<Environment>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, &environment);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(METRICS_HEADER_TIMEOUT)
        .max_buf_size(METRICS_BUFFER_BYTES)
        // A scrape comes every few seconds, a probe every second: a place is not held meanwhile.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(METRICS_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "A connection for metrics broke off"),
        Err(_) => tracing::debug!("A connection for metrics took too long"),
    }
}

fn answer<B>(request: &Request<B>, environment: &Arc<Environment>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "There is only GET and HEAD here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            let format = Format::accepted(accept.unwrap_or_default());
            let mut response = Response::new(text(environment, format).into());
            let content_type = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        "/live" => plain(StatusCode::OK, "alive\n"),
        "/ready" => state(if is_loading(environment) { Err(LOADING.into()) } else { Ok("ready\n") }),
        "/writable" => state(writable(environment)),
        _ => plain(StatusCode::NOT_FOUND, "There is /metrics, /live, /ready and /writable here.\n"),
    }
}

const LOADING: &str = "the data file is being replayed";

fn is_loading(environment: &Environment) -> bool {
    environment.stats.journal.loading.load(Relaxed)
}

/// Whether writes are taken; else why they are refused.
fn writable(environment: &Environment) -> Result<&'static str, String> {
    if is_loading(environment) {
        return Err(LOADING.into());
    }
    if let Some(problem) = environment.stats.journal.problem() {
        return Err(format!("writes are refused with -MISCONF: {problem}"));
    }
    if environment.settings.is_out_of_memory() {
        return Err("writes that need memory are refused with -OOM: maxmemory is in use".into());
    }
    Ok("writable\n")
}

fn state(state: Result<&'static str, String>) -> Response<Full<Bytes>> {
    match state {
        Ok(text) => plain(StatusCode::OK, text),
        Err(why) => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            response
        }
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PLAIN);
    response
}
