//! Clients and servers over real sockets and real certificates.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures::stream;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::http::{BodyError, Listener, Peer, Timeouts, allow, client, read_bounded, url};
use wire::tls::{Authority, Identity, Role};

/// Long enough for a machine that does other things as well.
const PATIENT: Timeouts = Timeouts { connect: Duration::from_secs(30), total: Some(Duration::from_secs(60)) };

/// A learner's server with one route for agents, one for everyone; its address.
async fn serve(identity: &Identity) -> String {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::new(tcp, identity).unwrap();
    let address = listener.address().to_string();
    let routes = Router::new()
        .route("/agents", allow(&[Role::Agent], get(|| async { "hello" })))
        .route("/who", get(|ConnectInfo(peer): ConnectInfo<Peer>| async move { peer.role.as_str() }))
        .route("/stream", get(|| async { Body::from_stream(stream::iter(["he", "llo"].map(Ok::<_, BodyError>))) }))
        .route("/away", get(|| async { ([("location", "/who")], axum::http::StatusCode::FOUND) }));
    let service = routes.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn get_text(client: &reqwest::Client, address: &str, path: &str) -> Result<(u16, String), reqwest::Error> {
    let response = client.get(url(address, path)).send().await?;
    let status = response.status().as_u16();
    Ok((status, response.text().await?))
}

#[tokio::test]
async fn a_server_knows_its_peers_role_and_refuses_others_by_name() {
    let authority = Authority::new("one").unwrap();
    let address = serve(&authority.issue(Role::Learner).unwrap()).await;
    for role in Role::ALL {
        let client = client(&authority.issue(role).unwrap(), Role::Learner, PATIENT).unwrap();
        assert_eq!(get_text(&client, &address, "/who").await.unwrap(), (200, role.as_str().to_owned()));
        let (status, text) = get_text(&client, &address, "/agents").await.unwrap();
        match role {
            Role::Agent => assert_eq!((status, text.as_str()), (200, "hello")),
            _ => assert_eq!(
                (status, text),
                (403, format!("this route is for the role agent, not for {}\n", role.as_str()))
            ),
        }
    }
}

#[tokio::test]
async fn strangers_are_refused_on_both_sides() {
    let (ours, others) = (Authority::new("one").unwrap(), Authority::new("one").unwrap());
    let address = serve(&ours.issue(Role::Learner).unwrap()).await;
    let stranger = client(&others.issue(Role::Agent).unwrap(), Role::Learner, PATIENT).unwrap();
    assert!(get_text(&stranger, &address, "/who").await.is_err());
    let mistaken = client(&ours.issue(Role::Operator).unwrap(), Role::Agent, PATIENT).unwrap();
    assert!(get_text(&mistaken, &address, "/who").await.is_err());
}

/// A client that trusts the server but shows it the certificate of `shown`, or none.
fn impostor(trusting: &Identity, shown: Option<&Identity>) -> reqwest::Client {
    let mut config = trusting.client_config(Role::Learner).unwrap();
    config.client_auth_cert_resolver = match shown {
        Some(identity) => identity.client_config(Role::Learner).unwrap().client_auth_cert_resolver,
        None => Arc::new(NoCertificate),
    };
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_server_refuses_clients_without_a_certificate_of_its_experiment() {
    let (ours, others) = (Authority::new("one").unwrap(), Authority::new("one").unwrap());
    let address = serve(&ours.issue(Role::Learner).unwrap()).await;
    let agent = ours.issue(Role::Agent).unwrap();
    let foreign = others.issue(Role::Agent).unwrap();
    assert!(get_text(&impostor(&agent, None), &address, "/who").await.is_err());
    assert!(get_text(&impostor(&agent, Some(&foreign)), &address, "/who").await.is_err());
    assert!(get_text(&impostor(&agent, Some(&agent)), &address, "/who").await.is_ok());
}

#[tokio::test]
async fn redirects_are_answers_like_any_other() {
    let authority = Authority::new("one").unwrap();
    let address = serve(&authority.issue(Role::Learner).unwrap()).await;
    let client = client(&authority.issue(Role::Agent).unwrap(), Role::Learner, PATIENT).unwrap();
    assert_eq!(get_text(&client, &address, "/away").await.unwrap().0, 302);
}

#[tokio::test]
async fn connections_that_say_nothing_hold_up_nobody() {
    let authority = Authority::new("one").unwrap();
    let address = serve(&authority.issue(Role::Learner).unwrap()).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let client = client(&authority.issue(Role::Agent).unwrap(), Role::Learner, PATIENT).unwrap();
    assert_eq!(get_text(&client, &address, "/agents").await.unwrap().0, 200);
}

#[tokio::test]
async fn plain_text_gets_no_answer_over_tls() {
    let authority = Authority::new("one").unwrap();
    let address = serve(&authority.issue(Role::Learner).unwrap()).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_whether_or_not_its_length_is_announced() {
    let authority = Authority::new("one").unwrap();
    let address = serve(&authority.issue(Role::Learner).unwrap()).await;
    let client = client(&authority.issue(Role::Agent).unwrap(), Role::Learner, PATIENT).unwrap();
    for path in ["/agents", "/stream"] {
        let read = async |limit| read_bounded(client.get(url(&address, path)).send().await.unwrap(), limit).await;
        assert_eq!(read(5).await.unwrap(), "hello");
        assert!(matches!(read(4).await, Err(BodyError::TooLong { limit: 4 })));
    }
}

/// Replaces the files of a role as a kubelet does: all at once, by a link.
fn put(folder: &Path, identity: &Identity, generation: u32) {
    let role = identity.role().as_str();
    let (fresh, link) = (folder.join(format!("{role}-{generation}")), folder.join(format!("{role}.new")));
    identity.save(&fresh).unwrap();
    symlink(&fresh, &link).unwrap();
    std::fs::rename(&link, folder.join(role)).unwrap();
}

#[tokio::test]
async fn certificates_expire_and_are_replaced_on_disk_while_both_sides_go_on() {
    const LIFE: Duration = Duration::from_secs(4);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("one").unwrap();
    let began = Instant::now();
    let (learner, agent) = [Role::Learner, Role::Agent].map(|role| authority.issue_for(role, LIFE).unwrap()).into();
    put(folder.path(), &learner, 1);
    put(folder.path(), &agent, 1);
    let follow = |role: Role| Identity::follow(&folder.path().join(role.as_str()), Duration::from_millis(50)).unwrap();
    let address = serve(&follow(Role::Learner)).await;
    let follows = client(&follow(Role::Agent), Role::Learner, PATIENT).unwrap();
    let stays = client(&agent, Role::Learner, PATIENT).unwrap();
    // Each asks over a connection of its own.
    let ask = async |client: &reqwest::Client| {
        let request = client.get(url(&address, "/agents")).header("connection", "close");
        request.send().await.map(|response| response.status().as_u16())
    };
    assert_eq!(ask(&stays).await.unwrap(), 200);
    let mut replaced = [false; 2];
    while began.elapsed() < LIFE + Duration::from_secs(2) {
        // For a while the server shows the second certificate and the client the first.
        for (at, (role, when)) in [(Role::Learner, 1), (Role::Agent, 2)].into_iter().enumerate() {
            if !replaced[at] && began.elapsed() > Duration::from_secs(when) {
                put(folder.path(), &authority.issue(role).unwrap(), 2);
                replaced[at] = true;
            }
        }
        assert_eq!(ask(&follows).await.unwrap(), 200, "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ask(&stays).await.is_err(), "the first certificate has expired");
}
