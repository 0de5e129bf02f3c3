//! Where to listen, and what to call it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use anyhow::{Context, Result, bail};

/// The first port that is tried where none is named, and how many.
const PORT: u16 = 8080;
const PORTS: u16 = 20;

/// Listens where the command line says, or at the first free port of the loopback interface.
///
/// # Errors
/// Names the address and the remedy.
pub fn bind(address: Option<&str>) -> Result<TcpListener> {
    match address {
        Some(text) => {
            let address = parse(text)?;
            TcpListener::bind(address).with_context(|| {
                format!("--listen {address} (is another server there? port 0 is any free one)")
            })
        }
        None => first_free(PORT),
    }
}

/// The first free port from `first` on.
fn first_free(first: u16) -> Result<TcpListener> {
    for port in first..first.saturating_add(PORTS) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            done => return done.with_context(|| format!("cannot listen on 127.0.0.1:{port}")),
        }
    }
    bail!(
        "the ports {first} to {} of this machine are taken: name another one with --listen PORT",
        first.saturating_add(PORTS - 1)
    )
}

/// `HOST:PORT`, or a port of the loopback interface.
fn parse(text: &str) -> Result<SocketAddr> {
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.with_context(|| format!("--listen {text}: neither HOST:PORT nor a port"))
}

/// An address that a browser of this machine can open: all of the machine's is none.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_is_printed_can_be_opened() {
        let printed = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(printed("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(printed("[::]:80"), "[::1]:80");
        assert_eq!(printed("192.0.2.7:80"), "192.0.2.7:80");
    }

    #[test]
    fn addresses_are_a_port_or_host_and_port() {
        let read = |text| parse(text).unwrap().to_string();
        assert_eq!(read("99"), "127.0.0.1:99");
        assert_eq!(read("[::1]:99"), "[::1]:99");
        assert_eq!(read("0.0.0.0:0"), "0.0.0.0:0");
        for text in ["", "nowhere", "70000", "localhost:", "127.0.0.1:-1"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("--listen"), "{error}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_passed_over_unless_it_was_named() {
        let taken = bind(Some("0")).unwrap();
        let port = taken.local_addr().unwrap().port();
        let free = first_free(port).unwrap().local_addr().unwrap().port();
        assert!(free > port && free < port + PORTS, "{port}, {free}");
        let error = bind(Some(&port.to_string())).unwrap_err().to_string();
        assert!(
            error.contains(&port.to_string()) && error.contains("port 0"),
            "{error}"
        );
    }
}
