//! While the journal is replayed.

use std::sync::Arc;

use revoked::command::{self, Environment};
use revoked::config::{self, Hooks};
use revoked::connection::{self, Pause, Repeated, Services};
use revoked::journal::{Opened, SyncPolicy};
use revoked::settings::Settings;
use revoked::slowlog::Slowlog;
use revoked::stats::Stats;
use revoked::store::Store;
use tokio::sync::watch;

use crate::script::{run, text};
use crate::support::server::{Client, Setup, options, runtime, until};

#[test]
fn until_the_replay_is_done_only_the_session_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::default();
    let options = options(directory.path(), 0, setup);
    let store = Arc::new(Store::default());
    // The replay can't begin while somebody reads.
    let held = store.read();
    let stats = Arc::new(Stats::new(command::rows().count()));
    let journal = Opened::open(&directory.path().join("revoked.db"), SyncPolicy::Never).unwrap();
    let runtime = runtime();
    let entered = runtime.enter();
    let (journal, _replay, _finish) =
        journal.start(Arc::clone(&store), Arc::clone(&stats), Arc::default()).unwrap();
    drop(entered);
    let settings = Arc::new(Settings::default());
    let hooks = Hooks {
        loglevel: options.set_loglevel,
        maxclients: Box::new(|_| Ok(())),
        maxmemory: Box::new(|_| Ok(())),
        appendfsync: Box::new(|_| ()),
        client_output_buffer_limit: Box::new(|_| ()),
        tls: Box::new(|_| Ok(())),
        requirepass: Box::new(|_| ()),
        reread_users: Box::new(|_| Ok(Box::new(|| ()))),
        users: Box::new(|| Ok(Vec::new())),
        notify_keyspace_events: Box::new(|_| ()),
    };
    let services = Arc::new(Services {
        environment: Arc::new(Environment {
            store: Arc::clone(&store),
            stats,
            users: Arc::new(options.users),
            clients: Arc::default(),
            pubsub: Arc::default(),
            monitors: Arc::default(),
            slowlog: Slowlog::default(),
            parameters: Arc::new(config::Live::new(options.config, Arc::clone(&settings), hooks)),
            settings,
            about: options.about,
        }),
        journal: journal.clone(),
        pause: Pause::default(),
        shutdown: watch::Sender::new(false),
        repeated: Repeated::default(),
    });
    let mut client = Client::new(serve_one(&runtime, services));

    run(
        &mut client,
        2,
        "
        > PING
        < -LOADING Redis is loading the dataset in memory
        > SADD k a
        < -LOADING Redis is loading the dataset in memory
        > SISMEMBER k a
        < -LOADING Redis is loading the dataset in memory
        > SAVE
        < -LOADING Redis is loading the dataset in memory
        > DBSIZE
        < -LOADING Redis is loading the dataset in memory
        > SADD
        < -ERR wrong number of arguments for 'sadd' command
        > SELECT 1
        < +OK
        > ECHO a
        < \"a\"
        > AUTH default x
        < +OK
        > CLIENT SETNAME me
        < +OK
        > SUBSCRIBE a
        < *3 \"subscribe\" \"a\" :1
        > PING
        < -LOADING Redis is loading the dataset in memory
        > UNSUBSCRIBE a
        < *3 \"unsubscribe\" \"a\" :0
        > CONFIG GET databases
        < *2 \"databases\" \"16\"
        ",
    );
    assert!(client.ask(&["HELLO", "2"]).starts_with(b"*14\r\n"));
    assert!(client.ask(&["COMMAND"]).starts_with(b"*"));
    let info = text(&client.ask(&["INFO", "everything"]));
    assert!(info.contains("\r\nloading:1\r\n"), "{info}");

    drop(held);
    until("the replay is done", || client.ask(&["PING"]) == b"+PONG\r\n");
    run(&mut client, 2, "> SADD k a\n> SISMEMBER k a\n< :1\n< :1");
    assert!(text(&client.ask(&["INFO", "persistence"])).contains("\r\nloading:0\r\n"));
    journal.close();
}

/// A connection to these services.
fn serve_one(runtime: &tokio::runtime::Runtime, services: Arc<Services>) -> std::net::TcpStream {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let membership = services.environment.clients.connect(peer.into(), peer.into(), 1).unwrap();
    runtime.spawn(async move {
        let accepted = tokio::net::TcpStream::from_std(accepted).unwrap();
        connection::serve(connection::Stream::Tcp(accepted), None, membership, services).await
    });
    stream
}
