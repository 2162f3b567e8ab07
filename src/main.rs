//! The program: arguments, configuration, logs, and exit codes. All else is the library's.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use revoked::command::About;
use revoked::config::{self, Config, Logformat, Task, Tool};
use revoked::journal::{OpenError, Opened, sqlite_version};
use revoked::listen::{self, Listener};
use revoked::memory;
use revoked::server::{self, Options, Reload, SetLoglevel};
use revoked::systemd::{self, Notifier};
use revoked::tool;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

/// What `maxmemory` and INFO are told by.
#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Why the program ends; the numbers are those of `sysexits.h`.
mod exit {
    pub(crate) const DATA: u8 = 65;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const SYSTEM: u8 = 71;
    pub(crate) const CANT_CREATE: u8 = 73;
    pub(crate) const IO: u8 = 74;
    pub(crate) const IN_USE: u8 = 75;
    pub(crate) const CONFIG: u8 = 78;
}

/// An end before its time: the exit code, and the line that says why.
struct Failure(u8, String);

fn main() -> ExitCode {
    // Compiled in only for tests; a daemon that is installed doesn't look at FAILPOINTS.
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    let version = format!("{} (SQLite {})", env!("CARGO_PKG_VERSION"), sqlite_version());
    let config = match config::task(std::env::args_os(), std::env::vars_os(), &version) {
        Ok(Task::Serve(config)) => *config,
        Ok(Task::Tool(tool)) => return end(use_tool(tool)),
        Err(config::Error::Help(text) | config::Error::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error @ config::Error::Invalid(_)) => {
            eprintln!("revoked: {error}");
            return ExitCode::from(exit::CONFIG);
        }
    };
    match log(&config).and_then(|set_loglevel| run(config, set_loglevel)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, why)) => {
            tracing::error!("{why}");
            ExitCode::from(code)
        }
    }
}

/// Does what a subcommand is for. Returns what there is to print.
fn use_tool(tool: Tool) -> Result<String, Failure> {
    clean_up_when_told_to_end();
    let outcome = match tool {
        Tool::Verify { file } => tool::verify::run(&file),
        Tool::CheckConfig { file } => return check(&file),
        Tool::Backup { from, destination, replaces } => tool::backup::run(&from, &destination, replaces),
        Tool::Export { file, form, destination, replaces } => {
            tool::export::run(&file, form, destination.as_deref(), replaces)
        }
        Tool::Compact { file } => tool::compact::run(&file),
        Tool::Stats { file } => tool::stats::run(&file),
        Tool::Import { source, to } => tool::import::run(&source, &to),
        Tool::Restore { backup, to } => tool::restore::run(&backup, &to),
    };
    outcome.map_err(|error| {
        let code = match &error {
            tool::Error::File(error) => unusable(error).0,
            tool::Error::Input(_) => exit::DATA,
            tool::Error::Server(_) => exit::UNAVAILABLE,
            tool::Error::Output(_) => exit::CANT_CREATE,
            tool::Error::Io(_) => exit::IO,
        };
        Failure(code, error.to_string())
    })
}

/// At SIGTERM or SIGINT, a tool leaves nothing half-written behind. Where the system has no thread for that, it may.
fn clean_up_when_told_to_end() {
    let wait = || {
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).ok()?;
            let mut interrupt = signal(SignalKind::interrupt()).ok()?;
            tokio::select! {
                _ = terminate.recv() => {},
                _ = interrupt.recv() => {},
            }
            tool::abandon();
            eprintln!("revoked: told to end before it was done");
            std::process::exit(i32::from(exit::SYSTEM));
        })
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(move || -> Option<()> { wait() });
}

/// Looks at a configuration file. Whatever is wrong is an error of its own, on a line of its own.
fn check(file: &Path) -> Result<String, Failure> {
    let faults = config::faults_in(file);
    if faults.is_empty() {
        return Ok(format!("{} is right.\n", file.display()));
    }
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    Err(Failure(exit::CONFIG, lines.join("\nrevoked: ")))
}

/// Ends a subcommand.
fn end(outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("revoked: standard output can't be written: {error}");
                ExitCode::from(exit::IO)
            }
            // Or whoever reads it has enough.
            _ => ExitCode::SUCCESS,
        },
        Err(Failure(code, why)) => {
            eprintln!("revoked: {why}");
            ExitCode::from(code)
        }
    }
}

fn log(config: &Config) -> Result<SetLoglevel, Failure> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|error| {
            eprintln!("revoked: {}: {error}", EnvFilter::DEFAULT_ENV);
            Failure(exit::CONFIG, String::new())
        })?,
        _ => EnvFilter::new(config.loglevel.filter()),
    };
    let (filter, handle) = reload::Layer::new(filter);
    let logs = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    match config.logformat {
        Logformat::Text => logs.with(lines).init(),
        Logformat::Json => logs.with(lines.json()).init(),
    }
    Ok(Box::new(move |level| handle.reload(level.filter()).map_err(|error| error.to_string())))
}

fn run(config: Config, set_loglevel: SetLoglevel) -> Result<(), Failure> {
    let mut runtime = match config.io_threads {
        // Nothing has to be handed from thread to thread then.
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(config.io_threads)
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|error| Failure(exit::SYSTEM, format!("no threads: {error}")))?;
    let outcome = runtime.block_on(serve(config, set_loglevel));
    // A reply that a client does not take must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn serve(mut config: Config, set_loglevel: SetLoglevel) -> Result<(), Failure> {
    tracing::info!("revoked {}, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
    server::fit_maxclients(&mut config);
    let no_handlers = |error| Failure(exit::SYSTEM, format!("no signal handlers: {error}"));
    let ended = signalled().map_err(no_handlers)?;
    let requests = signal(SignalKind::hangup()).map_err(no_handlers)?;
    let reload = Reload { requests, read: Arc::new(read_again) };
    let about = about(&config);
    let mut options = Options {
        set_loglevel,
        notifier: Notifier::from_environment(),
        reload: Some(reload),
        ..Options::new(config, about)
            .map_err(|why| Failure(exit::CONFIG, format!("aclfile or user: {why}")))?
    };
    let config = &options.config;
    if config.tls_port > 0 {
        options.tls.turn_on(&config.tls).map_err(|why| Failure(exit::CONFIG, why))?;
    }
    let listeners = listen(config)?;
    options.metrics_listeners = listen_for_metrics(config)?;
    let policy = server::sync_policy(options.config.appendfsync);
    let journal = Opened::open(&options.config.data_file(), policy).map_err(|error| unusable(&error))?;
    server::run(listeners, journal, options, ended).await.map_err(|error| unusable(&error))
}

/// The configuration, from where it was read at start.
fn read_again() -> Result<Config, config::Error> {
    config::from_sources(std::env::args_os(), std::env::vars_os(), env!("CARGO_PKG_VERSION"))
}

/// The sockets that systemd has for this server; where it has none, those that the configuration asks for.
fn listen(config: &Config) -> Result<Vec<Listener>, Failure> {
    let inherited = systemd::inherited().map_err(|error| Failure(exit::CONFIG, error.to_string()))?;
    if !inherited.is_empty() {
        listen::check_inherited(&inherited, config.port, config.tls_port)
            .map_err(|why| Failure(exit::CONFIG, why))?;
        let taken = inherited
            .into_iter()
            .map(|socket| Listener::inherited(socket, config.tls_port))
            .collect::<io::Result<Vec<_>>>();
        return taken.map_err(|error| Failure(exit::SYSTEM, format!("no listening: {error}")));
    }
    if let Some((name, why)) = config.listening_fault() {
        return Err(Failure(exit::CONFIG, format!("{name}: {why}")));
    }
    let mut listeners = Vec::new();
    for (port, is_tls) in
        [(config.port, false), (config.tls_port, true)].into_iter().filter(|(port, _)| *port > 0)
    {
        for address in config.bind.iter().map(|&ip| SocketAddr::new(ip, port)) {
            let listener = listen::tcp(address, config.tcp_backlog, is_tls);
            listeners.push(listener.map_err(|error| refused(address, &error))?);
        }
    }
    if let Some(path) = &config.unixsocket {
        let listener = listen::unix(path, config.unixsocketperm, config.tcp_backlog);
        listeners.push(listener.map_err(|error| refused(path.display(), &error))?);
    }
    Ok(listeners)
}

/// The sockets at which metrics are asked for.
fn listen_for_metrics(config: &Config) -> Result<Vec<TcpListener>, Failure> {
    let ports = config.metrics_port.into_iter();
    let addresses =
        ports.flat_map(|port| config.metrics_bind.iter().map(move |&ip| SocketAddr::new(ip, port)));
    let listen =
        |address| listen::port(address, config.tcp_backlog).map_err(|error| refused(address, &error));
    addresses.map(listen).collect()
}

fn refused(place: impl Display, error: &io::Error) -> Failure {
    Failure(exit::UNAVAILABLE, format!("can't listen on {place}: {error}"))
}

fn about(config: &Config) -> About {
    let path = |path: Option<std::path::PathBuf>| path.unwrap_or_default().display().to_string();
    About {
        run_id: (0..40).map(|_| fastrand::digit(16)).collect(),
        port: config.port,
        executable: path(std::env::current_exe().ok()),
        data_file: path(Some(config.data_file())),
        config_file: path(config.file.clone()),
        listeners: Vec::new(),
    }
}

fn unusable(error: &OpenError) -> Failure {
    let code = match error {
        OpenError::Foreign { .. }
        | OpenError::Newer { .. }
        | OpenError::Damaged { .. }
        | OpenError::LogDamaged { .. }
        | OpenError::Missing { .. } => exit::DATA,
        OpenError::Held { .. } => exit::IN_USE,
        OpenError::Io { .. } => exit::IO,
    };
    Failure(code, error.to_string())
}

/// Done at the first SIGTERM or SIGINT. A second one ends the program on the spot, whoever asked for the end
/// first: all that was acknowledged is on disk.
fn signalled() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        // Outside of the macros: they leave out what is not logged at this level, waiting included.
        let first = next().await;
        tracing::info!("Received {first}");
        let _ = tell.send(());
        let second = next().await;
        tracing::warn!("Received {second}, the second signal: ending at once");
        std::process::exit(i32::from(exit::SYSTEM));
    });
    Ok(async {
        let _ = told.await;
    })
}
