//! The client libraries that Rust services use, each in both versions of the protocol.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeSet;

use bytes::Bytes;
use tokio::time::timeout;

use support::process::{Home, PATIENCE};

type Members = BTreeSet<Bytes>;

/// More than one step of a scan returns: binary ones, an empty one, and ones of the usual forms.
fn members() -> Members {
    let texts = (0..200).map(|number| Bytes::from(format!("7f3e8a52-0b1c-4d2e-9f60-{number:012}")));
    let binary = [&b""[..], b"\x00", b"\xff\xfe\r\n", b"*1\r\n$4\r\nPING\r\n"].map(Bytes::from_static);
    texts.chain(binary).collect()
}

mod redis_rs {
    use futures_util::StreamExt;
    use redis::aio::ConnectionManager;
    use redis::{AsyncCommands, Client, Commands, RedisResult};

    use super::{BTreeSet, Bytes, Home, Members, PATIENCE, members, timeout};

    const PROTOCOLS: [&str; 2] = ["resp2", "resp3"];

    #[test]
    fn has_its_pipelines_answered_in_order() {
        let daemon = Home::new().start();
        for protocol in PROTOCOLS {
            let mut connection = client(daemon.port, protocol).get_connection().unwrap();
            let mut pipeline = redis::pipe();
            pipeline.sadd(protocol, &["a", "b"]).sismember(protocol, "a").srem(protocol, "a");
            pipeline.sismember(protocol, "a").smismember(protocol, &["a", "b"]).scard(protocol);
            let replies: (i64, bool, i64, bool, Vec<bool>, i64) = pipeline.query(&mut connection).unwrap();
            assert_eq!(replies, (2, true, 1, false, vec![false, true], 1), "{protocol}");
        }
    }

    #[test]
    fn gets_members_back_byte_for_byte() {
        let daemon = Home::new().start();
        for protocol in PROTOCOLS {
            let mut connection = client(daemon.port, protocol).get_connection().unwrap();
            let added: usize = connection.sadd(protocol, arguments(&members())).unwrap();
            assert_eq!(added, members().len());
            let found: BTreeSet<Vec<u8>> = connection.smembers(protocol).unwrap();
            assert_eq!(found.into_iter().map(Bytes::from).collect::<Members>(), members(), "{protocol}");
        }
    }

    #[test]
    fn finds_every_member_in_a_scan() {
        let daemon = Home::new().start();
        for protocol in PROTOCOLS {
            let mut connection = client(daemon.port, protocol).get_connection().unwrap();
            let _: usize = connection.sadd(protocol, arguments(&members())).unwrap();
            let scan = connection.sscan::<_, Vec<u8>>(protocol).unwrap();
            let found: Members = scan.map(|member| member.unwrap().into()).collect();
            assert_eq!(found, members(), "{protocol}");
        }
    }

    #[test]
    fn selects_a_database_and_gives_the_password_as_it_connects() {
        let daemon = Home::with_options(&["--requirepass", "secret"]).start();
        for protocol in PROTOCOLS {
            let connect = |password, database| {
                let address = format!("127.0.0.1:{}", daemon.port);
                let url = format!("redis://:{password}@{address}/{database}?protocol={protocol}");
                Client::open(url).unwrap().get_connection()
            };
            assert!(connect("wrong", 3).is_err(), "{protocol}");
            let _: usize = connect("secret", 3).unwrap().sadd(protocol, "m").unwrap();
            let exists: [bool; 2] =
                [3, 4].map(|database| connect("secret", database).unwrap().exists(protocol).unwrap());
            assert_eq!(exists, [true, false], "{protocol}");
        }
    }

    #[test]
    fn hears_what_is_published_and_goes_on_with_commands() {
        let daemon = Home::new().start();
        for protocol in PROTOCOLS {
            let mut subscriber = client(daemon.port, protocol).get_connection().unwrap();
            let mut publisher = client(daemon.port, protocol).get_connection().unwrap();
            let mut pubsub = subscriber.as_pubsub();
            // One by one: the crate waits for one confirmation a call, however many names it has.
            pubsub.subscribe("revoked").unwrap();
            pubsub.subscribe("restored").unwrap();
            pubsub.psubscribe("rev*").unwrap();
            let receivers: [usize; 3] = ["revoked", "restored", "other"]
                .map(|channel| publisher.publish(channel, &b"\x00\r\n"[..]).unwrap());
            assert_eq!(receivers, [2, 1, 0], "{protocol}");
            let messages = [(); 3].map(|()| pubsub.get_message().unwrap());
            let heard = messages.each_ref().map(|message| {
                assert_eq!(message.get_payload_bytes(), b"\x00\r\n");
                let pattern: Option<String> = message.get_pattern().unwrap();
                (message.get_channel_name(), pattern)
            });
            let by_pattern = Some("rev*".to_owned());
            assert_eq!(heard, [("revoked", None), ("revoked", by_pattern), ("restored", None)], "{protocol}");
            drop(pubsub);
            assert!(!subscriber.sismember::<_, _, bool>(protocol, "a").unwrap(), "{protocol}");
        }
    }

    #[tokio::test]
    async fn hears_what_is_published_while_it_waits() {
        let daemon = Home::new().start();
        for protocol in PROTOCOLS {
            let client = client(daemon.port, protocol);
            let mut pubsub = client.get_async_pubsub().await.unwrap();
            pubsub.subscribe(protocol).await.unwrap();
            let mut messages = pubsub.into_on_message();
            let publishing = tokio::spawn(async move {
                let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
                for number in 0..1_000 {
                    let receivers: usize = publisher.publish(protocol, number).await.unwrap();
                    assert_eq!(receivers, 1);
                }
            });
            for number in 0..1_000 {
                let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
                assert_eq!(message.get_payload::<u32>().unwrap(), number, "{protocol}");
            }
            publishing.await.unwrap();
        }
    }

    #[tokio::test]
    async fn reconnects_after_a_crash_and_finds_all_that_was_acknowledged() {
        for protocol in PROTOCOLS {
            let home = Home::new();
            let daemon = home.start();
            let port = daemon.port;
            let mut manager = client(port, protocol).get_connection_manager().await.unwrap();
            for member in members() {
                let _: usize = manager.sadd("k", member.as_ref()).await.unwrap();
            }
            daemon.kill();
            let _daemon = home.start_on(port);
            let found = timeout(PATIENCE, members_once_connected(&mut manager)).await.unwrap();
            assert_eq!(found.into_iter().map(Bytes::from).collect::<Members>(), members(), "{protocol}");
        }
    }

    fn client(port: u16, protocol: &str) -> Client {
        Client::open(format!("redis://127.0.0.1:{port}/?protocol={protocol}")).unwrap()
    }

    fn arguments(members: &Members) -> Vec<&[u8]> {
        members.iter().map(AsRef::as_ref).collect()
    }

    /// The manager reports a lost connection to whoever asks first, and connects anew.
    async fn members_once_connected(manager: &mut ConnectionManager) -> BTreeSet<Vec<u8>> {
        loop {
            let found: RedisResult<_> = manager.smembers("k").await;
            if let Ok(found) = found {
                return found;
            }
        }
    }
}

mod fred_rs {
    use fred::prelude::*;
    use fred::types::RespVersion;
    use fred::types::scan::Scanner;
    use futures_util::TryStreamExt;

    use super::{Bytes, Home, Members, PATIENCE, members, timeout};

    const PROTOCOLS: [RespVersion; 2] = [RespVersion::RESP2, RespVersion::RESP3];

    #[tokio::test]
    async fn has_its_pipelines_answered_in_order() {
        let daemon = Home::new().start();
        for (key, protocol) in ["2", "3"].into_iter().zip(PROTOCOLS) {
            let client = connect(daemon.port, protocol).await;
            let pipeline = client.pipeline();
            let () = pipeline.sadd(key, vec!["a", "b"]).await.unwrap();
            let () = pipeline.srem(key, "a").await.unwrap();
            let () = pipeline.sismember(key, "a").await.unwrap();
            let () = pipeline.scard(key).await.unwrap();
            let replies: Vec<i64> = pipeline.all().await.unwrap();
            assert_eq!(replies, [2, 1, 0, 1]);
            client.quit().await.unwrap();
        }
    }

    #[tokio::test]
    async fn gets_members_back_byte_for_byte() {
        let daemon = Home::new().start();
        for (key, protocol) in ["2", "3"].into_iter().zip(PROTOCOLS) {
            let client = connect(daemon.port, protocol).await;
            let added: usize = client.sadd(key, Vec::from_iter(members())).await.unwrap();
            assert_eq!(added, members().len());
            let found: Vec<Bytes> = client.smembers(key).await.unwrap();
            assert_eq!(Members::from_iter(found), members());
        }
    }

    #[tokio::test]
    async fn finds_every_member_in_a_scan() {
        let daemon = Home::new().start();
        for (key, protocol) in ["2", "3"].into_iter().zip(PROTOCOLS) {
            let client = connect(daemon.port, protocol).await;
            let () = client.sadd(key, Vec::from_iter(members())).await.unwrap();
            assert_eq!(scan(&client, key).await, members());
        }
    }

    #[tokio::test]
    async fn reconnects_after_a_crash_and_finds_all_that_was_acknowledged() {
        for protocol in PROTOCOLS {
            let home = Home::new();
            let daemon = home.start();
            let port = daemon.port;
            let client = connect(port, protocol).await;
            for member in members() {
                let () = client.sadd("k", member).await.unwrap();
            }
            daemon.kill();
            let _daemon = home.start_on(port);
            let found: Vec<Bytes> = timeout(PATIENCE, client.smembers("k")).await.unwrap().unwrap();
            assert_eq!(Members::from_iter(found), members());
        }
    }

    async fn connect(port: u16, version: RespVersion) -> Client {
        let server = ServerConfig::new_centralized("127.0.0.1", port);
        let mut builder = Builder::from_config(Config { server, version, ..Config::default() });
        // For ever, soon after each other.
        builder.set_policy(ReconnectPolicy::new_constant(0, 20));
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        client
    }

    async fn scan(client: &Client, key: &str) -> Members {
        let mut pages = std::pin::pin!(client.sscan(key, "*", Some(10)));
        let mut found = Members::new();
        while let Some(mut page) = pages.try_next().await.unwrap() {
            let members = page.take_results().unwrap_or_default();
            found.extend(members.into_iter().map(|member| member.into_bytes().unwrap()));
            page.next();
        }
        found
    }
}
