//! The secrets of connections, as programs log them (see [`crate::keylog`]): what opens recorded TLS.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::keylog::{Label, Line};

/// Connections whose secrets are kept: some 30 MB. When there are more, the earliest are forgotten.
const MAX_SESSIONS: usize = 1 << 16;

/// What was logged so far.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    by_random: HashMap<[u8; 32], Session>,
    /// Those that are kept, the earliest first.
    order: VecDeque<[u8; 32]>,
}

/// The secrets of one connection; empty where one is not known.
#[derive(Debug, Default, Clone)]
pub(crate) struct Session {
    /// Below TLS 1.3.
    pub(crate) master: Vec<u8>,
    /// From TLS 1.3 on: of the client's and of the server's handshake messages.
    pub(crate) handshake: [Vec<u8>; 2],
    /// … and of their data.
    pub(crate) traffic: [Vec<u8>; 2],
}

impl Secrets {
    /// Takes in lines of a log. Those that say no secret are passed over.
    pub(crate) fn learn(&mut self, log: &[u8]) {
        for line in log.split(|byte| *byte == b'\n') {
            let Ok(Some(Line { label, random, secret })) = Line::parse(line) else { continue };
            let session = self.by_random.entry(random).or_insert_with(|| {
                self.order.push_back(random);
                Session::default()
            });
            let Session { master, handshake: [client, server], traffic: [client_data, server_data] } = session;
            *match label {
                Label::Master => master,
                Label::ClientHandshake => client,
                Label::ServerHandshake => server,
                Label::ClientTraffic => client_data,
                Label::ServerTraffic => server_data,
            } = secret;
            if self.order.len() > MAX_SESSIONS
                && let Some(earliest) = self.order.pop_front()
            {
                self.by_random.remove(&earliest);
            }
        }
    }

    /// The secrets of the connection with this client random.
    pub(crate) fn of(&self, random: &[u8; 32]) -> Option<&Session> {
        self.by_random.get(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that secrets are found by their connection's random, and that lines which are none do no harm.
    #[test]
    fn secrets_are_found_by_their_random() {
        let (random, other) = ("ab".repeat(32), "cd".repeat(32));
        let log = format!(
            "# a comment\nCLIENT_RANDOM {random} 0102\r\nSERVER_TRAFFIC_SECRET_0 {random} 03\nCLIENT_RANDOM {other}\n\
             CLIENT_RANDOM {other} 0\nCLIENT_RANDOM abc 01\nCLIENT_RANDOM {other} {}\n\u{fffd} {other} zz",
            "00".repeat(49)
        );
        let mut secrets = Secrets::default();
        secrets.learn(log.as_bytes());
        let session = secrets.of(&[0xab; 32]).unwrap();
        assert_eq!((&session.master, &session.traffic), (&vec![1, 2], &[vec![], vec![3]]));
        assert!(secrets.of(&[0xcd; 32]).is_none());
    }

    /// Proves that there is a limit, and that it is the earliest that are forgotten.
    #[test]
    fn the_earliest_are_forgotten() {
        let mut secrets = Secrets::default();
        for number in 0..=MAX_SESSIONS {
            secrets.learn(format!("CLIENT_RANDOM {number:064x} 01").as_bytes());
        }
        let random = |number: usize| {
            let mut random = [0; 32];
            random[24..].copy_from_slice(&(number as u64).to_be_bytes());
            random
        };
        assert_eq!(secrets.by_random.len(), MAX_SESSIONS);
        assert!(secrets.of(&random(0)).is_none() && secrets.of(&random(1)).is_some());
        assert!(secrets.of(&random(MAX_SESSIONS)).is_some());
    }
}
