//! The program: arguments, configuration, logs, and exit codes. All else is the library's.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;

use revoked::command::About;
use revoked::config::{self, Config, Logformat, Loglevel, Task};
use revoked::journal::{OpenError, Opened, sqlite_version};
use revoked::memory;
use revoked::server::{self, Options};
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
        Ok(Task::Verify { file }) => return print(tool::verify::run(&file)),
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

/// Ends a subcommand.
fn print(outcome: Result<String, OpenError>) -> ExitCode {
    match outcome {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let Failure(code, why) = unusable(&error);
            eprintln!("revoked: {why}");
            ExitCode::from(code)
        }
    }
}

/// Changes the least important messages that are logged.
type SetLoglevel = Box<dyn Fn(Loglevel) -> Result<(), String> + Send + Sync>;

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
    let room = server::make_room_for(config.maxclients);
    if room < config.maxclients {
        let asked = config.maxclients;
        tracing::warn!("maxclients is {room} instead of {asked}: raise the limit of open files (ulimit -n)");
        config.maxclients = room;
    }
    let ended = signalled().map_err(|error| Failure(exit::SYSTEM, format!("no signal handlers: {error}")))?;
    let users =
        server::users(&config).map_err(|why| Failure(exit::CONFIG, format!("aclfile or user: {why}")))?;
    let policy = server::sync_policy(config.appendfsync);
    let listeners = listen(&config)?;
    let journal = Opened::open(&config.data_file(), policy).map_err(|error| unusable(&error))?;
    let options = Options { about: about(&config), users, config, set_loglevel };
    server::run(listeners, journal, options, ended).await.map_err(|error| unusable(&error))
}

fn listen(config: &Config) -> Result<Vec<TcpListener>, Failure> {
    let listen = |ip| {
        let address = SocketAddr::new(ip, config.port);
        server::listen(address, config.tcp_backlog)
            .map_err(|error| Failure(exit::UNAVAILABLE, format!("can't listen on {address}: {error}")))
    };
    config.bind.iter().copied().map(listen).collect()
}

fn about(config: &Config) -> About {
    let path = |path: Option<std::path::PathBuf>| path.unwrap_or_default().display().to_string();
    About {
        run_id: (0..40).map(|_| fastrand::digit(16)).collect(),
        port: config.port,
        executable: path(std::env::current_exe().ok()),
        data_file: path(Some(config.data_file())),
        config_file: path(config.file.clone()),
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
