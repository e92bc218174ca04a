//! The certificates of a test cluster, and the kubeconfigs that carry them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::command::run_unannounced;

/// Who gets one: file name, subject, and names and addresses that it is good for.
fn bearers(address: &str) -> [(&'static str, &'static str, String); 6] {
    let apiserver =
        "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1";
    [
        ("apiserver", "/CN=kube-apiserver", format!("{apiserver},IP:{address}")),
        ("admin", "/O=system:masters/CN=admin", "DNS:admin".to_owned()),
        ("controllers", "/CN=system:kube-controller-manager", "DNS:controllers".to_owned()),
        ("scheduler", "/CN=system:kube-scheduler", "DNS:scheduler".to_owned()),
        ("proxy", "/CN=system:kube-proxy", "DNS:proxy".to_owned()),
        ("node", "/O=system:nodes/CN=system:node:node1", format!("DNS:node1,IP:127.0.0.1,IP:{address}")),
    ]
}

/// Makes all of them in `folder`, and NAME.conf for those who talk to the apiserver at `port`.
pub fn make(folder: &Path, address: &str, port: u16) -> anyhow::Result<()> {
    let authority = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(folder, &[&authority[..], &["-subj", "/CN=trainpilot-test", "-days", "365"]].concat())?;
    for (name, subject, names) in bearers(address) {
        let [key, request, certificate, extensions] =
            ["key", "csr", "crt", "ext"].map(|ending| format!("{name}.{ending}"));
        let text = format!("subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n");
        fs::write(folder.join(&extensions), text).context("cannot write a certificate's extensions")?;
        openssl(
            folder,
            &["req", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &request, "-subj", subject],
        )?;
        let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "365"];
        let files = ["x509", "-req", "-in", &request, "-out", &certificate, "-extfile", &extensions];
        openssl(folder, &[&files[..], &by[..]].concat())?;
        fs::write(folder.join(format!("{name}.conf")), kubeconfig(folder, name, port))?;
    }
    openssl(folder, &["genrsa", "-out", "accounts.key", "2048"])?;
    openssl(folder, &["rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub"])
}

/// As JSON, which is YAML too. Files are named, not copied.
fn kubeconfig(folder: &Path, name: &str, port: u16) -> String {
    let file = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "trainpilot-test",
        "clusters": [{"name": "trainpilot-test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": file("ca.crt")}}],
        "users": [{"name": name, "user": {
            "client-certificate": file(&format!("{name}.crt")), "client-key": file(&format!("{name}.key"))}}],
        "contexts": [{"name": "trainpilot-test", "context": {"cluster": "trainpilot-test", "user": name}}],
    });
    format!("{config:#}\n")
}

fn openssl(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    // It tells of every dot that it computes.
    run_unannounced(Command::new("openssl").current_dir(folder).args(arguments).stderr(Stdio::null()))
}
