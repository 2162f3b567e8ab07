//! What Prometheus is told: a row for each metric, and the text that they make.
//!
//! Everything is read when it is asked for, from what [`Stats`] counts anyway: a server that nobody
//! scrapes pays nothing for it. The names are part of what users rely on: dashboards and alerts are made of them. Those
//! without `revoked_` are the ones that every Prometheus client library has for a process.
//!
//! To add one: a row. A test holds the dashboard and the documentation against the rows.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::command::Environment;
use crate::stats::{Counter, Stats};

mod http;
mod rows;

pub use self::http::serve;

/// A metric: what it is called, what it is, and what it says now.
struct Metric {
    /// With the unit, and without the `_total` of counters, which the format adds.
    name: &'static str,
    /// A sentence without its full stop, which the format adds.
    help: &'static str,
    says: Says,
}

/// What a metric says now.
enum Says {
    /// How often something happened.
    Count(fn(&Stats) -> &Counter),
    /// How much there is of something; nothing, if that is not known.
    Value(fn(&Environment) -> Option<f64>),
    /// What is handed over.
    Each(Kind, fn(&Environment, &mut Values<'_>) -> fmt::Result),
}

impl Says {
    fn kind(&self) -> Kind {
        match self {
            Self::Count(_) => Kind::Counter,
            Self::Value(_) => Kind::Gauge,
            Self::Each(kind, _) => *kind,
        }
    }

    fn say(&self, server: &Environment, values: &mut Values<'_>) -> fmt::Result {
        match self {
            Self::Count(counter) => values.add(counter(&server.stats).get() as f64),
            Self::Value(value) => value(server).map_or(Ok(()), |value| values.add(value)),
            Self::Each(_, report) => report(server, values),
        }
    }
}

/// How Prometheus is to read a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only grows until the server ends, or CONFIG RESETSTAT.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many were how large.
    Histogram,
}

/// A label's name and value, for each of which a metric has a value of its own.
type Labels<'a> = [(&'a str, &'a str)];

/// What a histogram says.
struct Distribution {
    sum: f64,
    /// Upper bounds, and how many were up to each and beyond the one before.
    buckets: Vec<(f64, u64)>,
}

/// Takes the values of one metric.
struct Values<'a> {
    kind: Kind,
    encoder: MetricEncoder<'a>,
}

impl Values<'_> {
    /// The value of a metric that has but one.
    fn add(&mut self, value: f64) -> fmt::Result {
        encode(&mut self.encoder, self.kind, value)
    }

    fn add_for(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        encode(&mut self.encoder.encode_family(&labels)?, self.kind, value)
    }

    fn add_distribution(&mut self, labels: &Labels<'_>, distribution: &Distribution) -> fmt::Result {
        let Distribution { sum, buckets } = distribution;
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut encoder = self.encoder.encode_family(&labels)?;
        encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, kind: Kind, value: f64) -> fmt::Result {
    match kind {
        Kind::Counter => encoder.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        Kind::Gauge | Kind::Histogram => encoder.encode_gauge(&value),
    }
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }
}

/// A format in which metrics are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
}

impl Format {
    /// What a client asks for by its `Accept`.
    fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics, as they are now.
struct Metrics(Arc<Environment>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Metric { name, help, says } in rows::ROWS {
            let kind = says.kind();
            let encoder = encoder.encode_descriptor(name, help, None, kind.into())?;
            says.say(&self.0, &mut Values { kind, encoder })?;
        }
        Ok(())
    }
}

/// The text of all metrics in this format.
fn text(environment: &Arc<Environment>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(environment))));
    let mut text = String::new();
    let encoded = match format {
        Format::OpenMetrics => text::encode(&mut text, &registry),
        Format::Prometheus => prometheus_text::encode(&mut text, &registry),
    };
    // Writing to a string never fails.
    encoded.map_or_else(|_| String::new(), |()| text)
}
