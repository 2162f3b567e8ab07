//! Messages from client to client: who listens to which channels and patterns, and publishing to them.
//!
//! All of it is synchronous and may be called from any thread. Publishing puts the message, encoded once, into
//! the outbox of each subscriber ([`crate::outbox`]), whose connection writes it out in its own time. One lock
//! orders everything: all subscribers see messages in the same order, and none after it has unsubscribed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use bytes::{Bytes, BytesMut};

use crate::clients::Client;
use crate::glob::{self, Case};
use crate::limits::{SUBSCRIPTION_BYTES, SUBSCRIPTIONS};
use crate::outbox::OutputLimit;
use crate::reply::Reply;
use crate::resp::{self, Protocol};

pub use self::events::EventClasses;

mod events;

/// What a client can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A channel: SUBSCRIBE.
    Channel,
    /// All channels whose names match a pattern: PSUBSCRIBE.
    Pattern,
    /// A shard channel, which patterns don't match: SSUBSCRIBE.
    ShardChannel,
}

/// The channels and patterns that are subscribed to, and by whom.
#[derive(Debug, Default)]
pub struct PubSub {
    registry: Mutex<Registry>,
    /// How many subscriptions there are.
    subscriptions: AtomicUsize,
    /// Which events of keys are published: [`EventClasses`].
    events: AtomicU16,
}

#[derive(Debug, Default)]
struct Registry {
    /// By kind.
    subscribers: [AHashMap<Bytes, Subscribers>; 3],
    /// How much may wait for a subscriber.
    limit: OutputLimit,
}

/// Clients by their ids.
type Subscribers = BTreeMap<u64, Arc<Client>>;

impl PubSub {
    /// Without subscribers, for each of whom as much may wait as `limit` says.
    #[must_use]
    pub fn new(limit: OutputLimit, events: EventClasses) -> Self {
        let pubsub = Self::default();
        pubsub.set_output_limit(limit);
        pubsub.set_events(events);
        pubsub
    }

    /// Changes how much may wait for a subscriber.
    pub fn set_output_limit(&self, limit: OutputLimit) {
        self.lock().limit = limit;
    }

    /// Changes which events of keys are published.
    pub fn set_events(&self, events: EventClasses) {
        self.events.store(events.bits(), Relaxed);
    }

    /// Which events of keys are published.
    #[must_use]
    pub fn events(&self) -> EventClasses {
        EventClasses::from_bits(self.events.load(Relaxed))
    }

    /// Sends a message to the subscribers of a channel and to those of patterns that match it. Returns how many
    /// get it; one that is subscribed in several ways gets it, and counts, as many times.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        if self.subscriptions.load(Relaxed) == 0 {
            return 0;
        }
        let registry = self.lock();
        let mut receivers = registry.send(Kind::Channel, channel, &[b"message", channel, message]);
        for (pattern, subscribers) in registry.of(Kind::Pattern) {
            if glob::matches(pattern, channel, Case::Sensitive) {
                let message = Message::new(&[b"pmessage", pattern, channel, message]);
                receivers += message.send(subscribers, registry.limit);
            }
        }
        receivers
    }

    /// Sends a message to the subscribers of a shard channel. Returns how many get it.
    pub fn publish_to_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        if self.subscriptions.load(Relaxed) == 0 {
            return 0;
        }
        self.lock().send(Kind::ShardChannel, channel, &[b"smessage", channel, message])
    }

    /// Whether some events of keys are wanted.
    #[must_use]
    pub fn is_notified(&self) -> bool {
        let wanted = self.events();
        wanted.intersects(EventClasses::KEYSPACE) || wanted.intersects(EventClasses::KEYEVENT)
    }

    /// Publishes that `event`, of one of these classes, has happened to a key, if that is wanted at all. Costs
    /// one load if not.
    pub fn notify(&self, class: EventClasses, event: &str, database: u8, key: &[u8]) {
        let wanted = self.events();
        if !wanted.intersects(class) {
            return;
        }
        if wanted.intersects(EventClasses::KEYSPACE) {
            let channel = [format!("__keyspace@{database}__:").as_bytes(), key].concat();
            self.publish(&channel, event.as_bytes());
        }
        if wanted.intersects(EventClasses::KEYEVENT) {
            let channel = format!("__keyevent@{database}__:{event}");
            self.publish(channel.as_bytes(), key);
        }
    }

    /// How many channels, patterns or shard channels have subscribers.
    pub fn len(&self, kind: Kind) -> usize {
        self.lock().of(kind).len()
    }

    /// The channels, patterns or shard channels that have subscribers, in no order.
    pub fn names(&self, kind: Kind) -> Vec<Bytes> {
        self.lock().of(kind).keys().cloned().collect()
    }

    /// How many subscribers this one has.
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> usize {
        self.lock().of(kind).get(name).map_or(0, BTreeMap::len)
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn of(&self, kind: Kind) -> &AHashMap<Bytes, Subscribers> {
        &self.subscribers[kind as usize]
    }

    /// Sends the message made of these parts to the subscribers of a name.
    fn send(&self, kind: Kind, name: &[u8], parts: &[&[u8]]) -> usize {
        let subscribers = self.of(kind).get(name);
        subscribers.map_or(0, |subscribers| Message::new(parts).send(subscribers, self.limit))
    }
}

/// A message as it goes out, in each version of the protocol.
struct Message {
    in_resp2: Bytes,
    /// Made for the first who speaks it.
    in_resp3: Option<Bytes>,
}

impl Message {
    fn new(parts: &[&[u8]]) -> Self {
        let parts = parts.iter().map(|part| Reply::bulk(*part)).collect();
        let mut encoded = BytesMut::new();
        resp::encode(&Reply::Pushes(vec![parts]), Protocol::Resp2, &mut encoded);
        Self { in_resp2: encoded.freeze(), in_resp3: None }
    }

    /// Returns how many get it.
    fn send(mut self, subscribers: &Subscribers, limit: OutputLimit) -> usize {
        let mut receivers = 0;
        for client in subscribers.values() {
            let message = self.in_protocol(client.protocol.load(Relaxed));
            receivers += usize::from(client.deliver(message, limit));
        }
        receivers
    }

    fn in_protocol(&mut self, version: u8) -> Bytes {
        match version {
            3 => self.in_resp3.get_or_insert_with(|| resp::as_push(&self.in_resp2)).clone(),
            _ => self.in_resp2.clone(),
        }
    }
}

/// What one client is subscribed to. Dropping it unsubscribes from all.
#[derive(Debug)]
pub struct Subscriber {
    pubsub: Arc<PubSub>,
    client: Arc<Client>,
    /// By kind.
    names: [BTreeSet<Bytes>; 3],
    /// What these take.
    bytes: usize,
}

impl Subscriber {
    /// A client that is subscribed to nothing yet.
    #[must_use]
    pub fn new(pubsub: Arc<PubSub>, client: Arc<Client>) -> Self {
        Self { pubsub, client, names: Default::default(), bytes: 0 }
    }

    /// Whether it may subscribe to so many more.
    pub fn has_room_for<'a>(&self, names: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
        let present: usize = self.names.iter().map(BTreeSet::len).sum();
        present + names.len() <= SUBSCRIPTIONS
            && self.bytes + names.map(<[u8]>::len).sum::<usize>() <= SUBSCRIPTION_BYTES
    }

    /// Subscribes, if it isn't subscribed already.
    pub fn subscribe(&mut self, kind: Kind, name: &[u8]) {
        if self.names[kind as usize].contains(name) {
            return;
        }
        let name = Bytes::copy_from_slice(name);
        self.bytes += name.len();
        self.names[kind as usize].insert(name.clone());
        self.note_count(kind);
        let mut registry = self.pubsub.lock();
        let subscribers = registry.subscribers[kind as usize].entry(name).or_default();
        subscribers.insert(self.client.id, Arc::clone(&self.client));
        self.pubsub.subscriptions.fetch_add(1, Relaxed);
    }

    /// Unsubscribes, if it is subscribed.
    pub fn unsubscribe(&mut self, kind: Kind, name: &[u8]) {
        let Some(name) = self.names[kind as usize].take(name) else { return };
        self.bytes -= name.len();
        self.note_count(kind);
        let mut registry = self.pubsub.lock();
        let named = &mut registry.subscribers[kind as usize];
        if let Some(subscribers) = named.get_mut(&name) {
            subscribers.remove(&self.client.id);
            if subscribers.is_empty() {
                named.remove(&name);
            }
        }
        self.pubsub.subscriptions.fetch_sub(1, Relaxed);
    }

    /// What it is subscribed to, of one kind, in the order of the names.
    #[must_use]
    pub fn names(&self, kind: Kind) -> Vec<Bytes> {
        self.names[kind as usize].iter().cloned().collect()
    }

    /// How many that are.
    #[must_use]
    pub fn len(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }

    /// Whether it is subscribed to nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    fn note_count(&self, kind: Kind) {
        self.client.subscriptions[kind as usize].store(self.len(kind), Relaxed);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::ShardChannel] {
            for name in self.names(kind) {
                self.unsubscribe(kind, &name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::{Channel, Pattern, ShardChannel};
    use super::*;
    use crate::clients::{Address, Clients, Membership};

    const LIMIT: OutputLimit = OutputLimit { hard_bytes: 100_000, soft_bytes: 0, soft_seconds: 0 };

    struct Room {
        pubsub: Arc<PubSub>,
        clients: Arc<Clients>,
    }

    struct Listener {
        subscriber: Subscriber,
        membership: Membership,
    }

    impl Room {
        fn new() -> Self {
            Self::with_events("")
        }

        fn with_events(events: &str) -> Self {
            let events = EventClasses::parse(events).unwrap();
            Self { pubsub: Arc::new(PubSub::new(LIMIT, events)), clients: Arc::default() }
        }

        fn listener(&self, subscriptions: &[(Kind, &str)]) -> Listener {
            let address = Address::Unix("/run/revoked.sock".into());
            let membership = self.clients.connect(address.clone(), address, usize::MAX).unwrap();
            let mut subscriber = Subscriber::new(Arc::clone(&self.pubsub), Arc::clone(&membership.client));
            for (kind, name) in subscriptions {
                subscriber.subscribe(*kind, name.as_bytes());
            }
            Listener { subscriber, membership }
        }

        fn publish(&self, channel: &str, message: &str) -> usize {
            self.pubsub.publish(channel.as_bytes(), message.as_bytes())
        }
    }

    impl Listener {
        /// The words of what it has got since it was last asked.
        fn got(&self) -> String {
            let mut output = BytesMut::new();
            self.membership.client.take_messages(usize::MAX, usize::MAX, &mut output);
            let text = String::from_utf8(output.to_vec()).unwrap();
            let is_word = |line: &&str| !line.starts_with(['$', '*', '>']);
            text.lines().filter(is_word).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn a_message_reaches_those_who_listen_and_nobody_else() {
        let room = Room::new();
        assert_eq!(room.publish("news", "nobody hears"), 0);
        let both = room.listener(&[(Channel, "news"), (Channel, "weather")]);
        let one = room.listener(&[(Channel, "weather")]);
        assert_eq!(room.publish("news", "a"), 1);
        assert_eq!(room.publish("weather", "b"), 2);
        assert_eq!(room.publish("New", "c"), 0);
        assert_eq!([both.got(), one.got()], ["message news a message weather b", "message weather b"]);
    }

    #[test]
    fn patterns_match_channels_and_not_shard_channels() {
        let room = Room::new();
        let listener = room.listener(&[(Pattern, "n*"), (Pattern, "[n]ews"), (Channel, "news")]);
        assert_eq!(room.publish("news", "a"), 3);
        let got = listener.got();
        for expected in ["message news a", "pmessage n* news a", "pmessage [n]ews news a"] {
            assert!(got.contains(expected), "{expected} in {got}");
        }
        assert_eq!(room.pubsub.publish_to_shard(b"news", b"b"), 0);
        assert_eq!(room.listener(&[(ShardChannel, "news")]).got(), "");
    }

    #[test]
    fn a_shard_channel_is_another_than_the_channel_of_its_name() {
        let room = Room::new();
        let listener = room.listener(&[(ShardChannel, "news")]);
        assert_eq!(room.publish("news", "a"), 0);
        assert_eq!(room.pubsub.publish_to_shard(b"news", b"b"), 1);
        assert_eq!(listener.got(), "smessage news b");
    }

    #[test]
    fn each_is_told_in_its_own_protocol() {
        let room = Room::new();
        let (old, new) = (room.listener(&[(Channel, "c")]), room.listener(&[(Channel, "c")]));
        new.membership.client.protocol.store(3, Relaxed);
        assert_eq!(room.publish("c", "m\r\n"), 2);
        let bytes = |listener: &Listener| {
            let mut output = BytesMut::new();
            listener.membership.client.take_messages(usize::MAX, usize::MAX, &mut output);
            output
        };
        assert_eq!(bytes(&old), "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nm\r\n\r\n");
        assert_eq!(bytes(&new), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nm\r\n\r\n");
    }

    #[test]
    fn who_subscribes_twice_is_told_once_and_who_unsubscribes_no_more() {
        let room = Room::new();
        let mut listener = room.listener(&[(Channel, "c"), (Channel, "c")]);
        assert_eq!(room.publish("c", "a"), 1);
        listener.subscriber.unsubscribe(Channel, b"other");
        listener.subscriber.unsubscribe(Channel, b"c");
        assert!(listener.subscriber.is_empty());
        assert_eq!(room.publish("c", "b"), 0);
        assert_eq!(listener.got(), "message c a");
    }

    #[test]
    fn nothing_is_left_of_a_subscriber_that_is_gone() {
        let room = Room::new();
        let mut listener = room.listener(&[(Channel, "c"), (Pattern, "*"), (ShardChannel, "s")]);
        listener.subscriber.subscribe(Channel, b"d");
        let client = Arc::clone(&listener.membership.client);
        let lens = || [Channel, Pattern, ShardChannel].map(|kind| room.pubsub.len(kind));
        let counts = || [0, 1, 2].map(|kind: usize| client.subscriptions[kind].load(Relaxed));
        assert_eq!((lens(), counts()), ([2, 1, 1], [2, 1, 1]));
        assert!(client.is_subscriber());
        drop(listener);
        assert_eq!((lens(), counts()), ([0, 0, 0], [0, 0, 0]));
        assert!(!client.is_subscriber());
        assert_eq!(room.pubsub.subscriptions.load(Relaxed), 0);
    }

    #[test]
    fn subscribers_are_counted_by_name() {
        let room = Room::new();
        let _listeners = [room.listener(&[(Channel, "c"), (Pattern, "c")]), room.listener(&[(Channel, "c")])];
        assert_eq!(room.pubsub.subscribers(Channel, b"c"), 2);
        assert_eq!(room.pubsub.subscribers(Pattern, b"c"), 1);
        assert_eq!(room.pubsub.subscribers(Channel, b"d"), 0);
        assert_eq!(room.pubsub.names(Channel), [Bytes::from_static(b"c")]);
    }

    #[test]
    fn a_subscriber_has_room_for_a_bounded_number_of_names() {
        let room = Room::new();
        let mut listener = room.listener(&[(Channel, "c")]);
        let names = vec![&b"d"[..]; SUBSCRIPTIONS - 1];
        assert!(listener.subscriber.has_room_for(names.iter().copied()));
        listener.subscriber.subscribe(Pattern, b"d");
        assert!(!listener.subscriber.has_room_for(names.iter().copied()));
        let long = vec![0; SUBSCRIPTION_BYTES - 1];
        assert!(!listener.subscriber.has_room_for([&long[..]].into_iter()));
        listener.subscriber.unsubscribe(Pattern, b"d");
        assert!(listener.subscriber.has_room_for([&long[..]].into_iter()));
    }

    #[test]
    fn one_who_takes_nothing_is_cut_off_and_holds_nothing_up() {
        let room = Room::new();
        let (slow, quick) = (room.listener(&[(Channel, "c")]), room.listener(&[(Channel, "c")]));
        let message = "x".repeat(1_000);
        let receivers: Vec<_> = (0..200)
            .map(|_| {
                let receivers = room.publish("c", &message);
                quick.got();
                receivers
            })
            .collect();
        assert_eq!([receivers[0], receivers[199]], [2, 1]);
        assert_eq!(slow.membership.client.outbox_size(), (0, 0));
        assert!(slow.membership.client.end().is_some() && quick.membership.client.end().is_none());
    }

    #[test]
    fn all_subscribers_see_messages_of_many_threads_in_the_same_order() {
        let room = Room::new();
        let listeners = [room.listener(&[(Channel, "c")]), room.listener(&[(Pattern, "*")])];
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let room = &room;
                scope.spawn(move || {
                    for at in 0..100 {
                        room.publish("c", &format!("{thread}.{at}"));
                    }
                });
            }
        });
        let order = |listener: &Listener| -> Vec<String> {
            listener.got().split(' ').filter(|word| word.contains('.')).map(str::to_owned).collect()
        };
        let orders = listeners.each_ref().map(order);
        assert_eq!(orders[0].len(), 400);
        assert_eq!(orders[0], orders[1]);
    }

    #[test]
    fn events_of_keys_are_published_as_the_letters_say() {
        let listen = |room: &Room| room.listener(&[(Pattern, "__key*")]);
        for (events, expected) in [
            ("KEA", "pmessage __key* __keyspace@3__:k sadd pmessage __key* __keyevent@3__:sadd k"),
            ("Ks", "pmessage __key* __keyspace@3__:k sadd"),
            ("Es", "pmessage __key* __keyevent@3__:sadd k"),
            ("KE$", ""),
            ("A", ""),
            ("KE", ""),
            ("", ""),
        ] {
            let room = Room::with_events(events);
            let listener = listen(&room);
            room.pubsub.notify(EventClasses::SET, "sadd", 3, b"k");
            assert_eq!(listener.got(), expected, "{events}");
        }
    }

    #[test]
    fn events_of_keys_are_switched_on_and_off_at_any_time() {
        let room = Room::new();
        let listener = room.listener(&[(Channel, "__keyevent@0__:expired")]);
        let notify = || room.pubsub.notify(EventClasses::EXPIRED, "expired", 0, b"k");
        notify();
        room.pubsub.set_events(EventClasses::parse("Ex").unwrap());
        assert_eq!(room.pubsub.events().to_string(), "xE");
        notify();
        room.pubsub.set_events(EventClasses::default());
        notify();
        assert_eq!(listener.got(), "message __keyevent@0__:expired k");
    }
}
