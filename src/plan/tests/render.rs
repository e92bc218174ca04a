//! Each object as it is sent to an apiserver.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use api::{Timestamp, TuningExperiment};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use plan::render::{
    Images, Object, RenderError, Setting, authority_in, authority_secret, authority_secret_name, identity_in,
    learner_address, network_policies, render, secret,
};
use plan::{LearnerObserved, Observed, RepetitionObserved, Workload, plan, validate};
use wire::learner::LearnerState;
use wire::tls::{Authority, Role};

const EXPERIMENT: &str = r#"
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata:
  name: small
  namespace: team
  uid: 5e8e0b0e-8a3c-4a54-9f1f-4f3d6b0c1a77
  labels: {kueue.x-k8s.io/queue-name: research}
spec:
  parallelism: 3
  objective: {metric: accuracy}
  metrics: [{name: accuracy, range: [0, 1]}]
  hyperparameters: [{name: learning_rate, initial: 0.01, min: 1.0e-5, max: 1}]
  trajectory:
    envSteps: 10
    deadlineSeconds: 600
    retries: 2
    template:
      metadata:
        labels: {team: vision}
        annotations: {karpenter.sh/do-not-disrupt: "false"}
      spec:
        priorityClassName: low
        nodeSelector: {pool: gpu}
        tolerations: [{key: gpu, operator: Exists}]
        initContainers: [{name: fetch, image: data:1, command: [fetch]}]
        volumes: [{name: data, emptyDir: {}}]
        containers:
        - name: trainer
          image: training:1
          command: [python, train.py]
          env: [{name: WIDTH, value: "2"}, {name: TRAINPILOT_URL, value: "http://elsewhere"}]
          resources: {limits: {nvidia.com/gpu: 1}}
          securityContext: {runAsUser: 1000}
  algorithm:
    simple: {epochs: 1, trajectoriesPerEpoch: 6}
  learners:
    policy: {resources: {limits: {memory: 4Gi}}, nodeSelector: {pool: cpu}, storage: {size: 20Gi, className: fast}}
    worldModel: {resources: {limits: {nvidia.com/gpu: 1}}, tolerations: [{key: gpu, operator: Exists}]}
  finalEvaluation: {trajectories: 4}
"#;

fn images() -> Images {
    Images {
        agent: "agent:1".to_owned(),
        learner: "learner:1".to_owned(),
        pull_policy: Some("IfNotPresent".to_owned()),
    }
}

/// What is wanted once the learner answers.
fn workloads(experiment: &TuningExperiment) -> Vec<Workload> {
    let learner = LearnerObserved { epochs: 1, state: Some(LearnerState::default()), failure: None };
    let address = learner_address("small", "team", 0);
    let repetition = RepetitionObserved { address, learner: Some(learner), ..RepetitionObserved::default() };
    let now = Timestamp::UNIX_EPOCH;
    let observed =
        Observed { now, experiment: experiment.clone(), repetitions: vec![repetition], policies: BTreeMap::new() };
    plan(&validate(&observed).unwrap()).wanted
}

fn objects(experiment: &TuningExperiment, which: usize) -> Result<Vec<Object>, RenderError> {
    render(&Setting { experiment, images: &images() }, &workloads(experiment)[which])
}

fn experiment(yaml: &str) -> TuningExperiment {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn a_policy_learner_is_a_stateful_set_with_a_volume_a_name_and_its_configuration() {
    let objects = objects(&experiment(EXPERIMENT), 0).unwrap();
    let [Object::ConfigMap(_), Object::Service(service), Object::StatefulSet(set)] = &objects[..] else {
        panic!("{objects:?}")
    };
    insta::assert_yaml_snapshot!("service", service);
    insta::assert_yaml_snapshot!("policy_learner", set);
}

#[test]
fn a_world_model_learner_is_told_where_its_policy_learner_is_and_has_devices_of_its_own() {
    let objects = objects(&experiment(EXPERIMENT), 1).unwrap();
    let [_, _, Object::StatefulSet(set)] = &objects[..] else { panic!("{objects:?}") };
    insta::assert_yaml_snapshot!("world_model_learner", set);
}

#[test]
fn what_a_learners_pod_is_to_have_is_passed_on_and_what_kubernetes_does_not_understand_is_refused() {
    let wishes =
        "priorityClassName: high, resourceClaims: [{name: gpu, resourceClaimName: shared}], affinity: AFFINITY, ";
    let yaml = EXPERIMENT.replace("worldModel: {", &format!("worldModel: {{{wishes}"));
    let with = |affinity: &str| objects(&experiment(&yaml.replace("AFFINITY", affinity)), 1);
    let required = "{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}";
    let Object::StatefulSet(set) = with(required).unwrap().remove(2) else { panic!("no StatefulSet") };
    let pod = set.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.priority_class_name.as_deref(), Some("high"));
    assert_eq!(pod.resource_claims.unwrap()[0].resource_claim_name.as_deref(), Some("shared"));
    let apart = pod.affinity.unwrap().pod_anti_affinity.unwrap().required_during_scheduling_ignored_during_execution;
    assert_eq!(apart.unwrap()[0].topology_key, "zone");
    let refused = with("{nodeAffinity: 3}").unwrap_err().to_string();
    assert!(refused.starts_with("spec.learners.worldModel.affinity: nodeAffinity: "), "{refused}");
}

#[test]
fn a_learner_on_an_object_store_has_no_volume_and_is_given_the_users_secret() {
    let store = "storage: {url: 's3://bucket/runs/'}, credentialsSecret: keys, serviceAccountName: learners";
    let yaml = EXPERIMENT.replace("storage: {size: 20Gi, className: fast}", store);
    let yaml = yaml.replace("worldModel: {", "worldModel: {storage: {url: 's3://bucket/models'}, ");
    let set = |which| match objects(&experiment(&yaml), which).unwrap().remove(2) {
        Object::StatefulSet(set) => set.spec.unwrap(),
        other => panic!("{other:?}"),
    };
    let (policy, world_model) = (set(0), set(1));
    assert_eq!((policy.volume_claim_templates, world_model.volume_claim_templates), (None, None));
    let (policy, world_model) = (policy.template.spec.unwrap(), world_model.template.spec.unwrap());
    assert_eq!(policy.service_account_name.as_deref(), Some("learners"));
    let place = |container: &Container| {
        let variable = container.env.iter().flatten().find(|variable| variable.name == "TRAINPILOT_STORAGE");
        variable.unwrap().value.clone().unwrap()
    };
    assert_eq!(place(&policy.containers[0]), "s3://bucket/runs/small-5e8e0b0e/repetition-0");
    let models = "s3://bucket/models/small-5e8e0b0e/repetition-0/world-model-learner";
    assert_eq!(place(&world_model.containers[0]), models);
    insta::assert_yaml_snapshot!("learner_on_a_store", policy.containers[0]);
    let secrets = |pod: &PodSpec| pod.volumes.iter().flatten().filter(|volume| volume.name == "credentials").count();
    assert_eq!((secrets(&policy), secrets(&world_model)), (1, 0));
}

#[test]
fn a_batch_is_an_indexed_job_of_the_users_pod_with_an_agent_in_it() {
    let objects = objects(&experiment(EXPERIMENT), 2).unwrap();
    let [Object::ConfigMap(config), Object::Job(job)] = &objects[..] else { panic!("{objects:?}") };
    insta::assert_yaml_snapshot!("job", job);
    insta::assert_yaml_snapshot!("config_map_metadata", config.metadata);
    let text = &config.data.as_ref().unwrap()["config.json"];
    let agent: wire::agent::AgentConfig = serde_json::from_str(text).unwrap();
    assert_eq!(agent.learner, "small-r0-learner-0.small-r0-learner.team.svc:8092");
}

#[test]
fn agent_and_trainer_are_told_where_the_trainer_shows_metrics() {
    let page = EXPERIMENT
        .replace("envSteps: 10", "envSteps: 10\n    metricsPage: {port: 9100}")
        .replacen("range: [0, 1]", "range: [0, 1], from: {prometheus: score}", 1)
        .replace("TRAINPILOT_URL, value", "TRAINPILOT_METRICS_PORT, value");
    let experiment = experiment(&page);
    let objects = objects(&experiment, 2).unwrap();
    let [Object::ConfigMap(config), Object::Job(job)] = &objects[..] else { panic!("{objects:?}") };
    let agent: wire::agent::AgentConfig = serde_json::from_str(&config.data.as_ref().unwrap()["config.json"]).unwrap();
    let read = agent.page.unwrap();
    assert_eq!(
        (read.path.as_str(), read.metrics.into_values().collect::<Vec<_>>()),
        ("/metrics", vec!["score".into()])
    );
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    for container in [&pod.containers[0], &pod.init_containers.as_ref().unwrap()[0]] {
        let ports: Vec<_> =
            container.env.iter().flatten().filter(|variable| variable.name == "TRAINPILOT_METRICS_PORT").collect();
        assert_eq!(ports.iter().map(|port| port.value.as_deref()).collect::<Vec<_>>(), [Some("9100")]);
    }
}

#[test]
fn learners_and_agents_are_reached_at_one_port_by_their_own_and_by_the_operator() {
    insta::assert_yaml_snapshot!("network_policies", network_policies(&experiment(EXPERIMENT)));
}

#[test]
fn identities_are_mounted_by_role_and_the_authority_by_nobody() {
    let experiment = experiment(EXPERIMENT);
    let uid = experiment.metadata.uid.clone().unwrap();
    let authority = Authority::new(&uid).unwrap();
    let issued = Role::ALL.map(|role| authority.issue(role).unwrap());
    let secrets = [secret(&experiment, &issued), authority_secret(&experiment, &authority)];
    let shown = secrets.clone().map(|mut secret| {
        secret.data.iter_mut().flatten().for_each(|(_, file)| file.0 = b"PEM".to_vec());
        secret
    });
    insta::assert_yaml_snapshot!("secrets", shown);
    assert_eq!(identity_in(&secrets[0], Role::Agent).unwrap().pem(), issued[1].pem());
    assert!(authority_in(&secrets[0], &uid).is_err());
    let again = authority_in(&secrets[1], &uid).unwrap();
    assert_eq!(again.key_pem(), authority.key_pem());
    for workload in 0..3 {
        let objects = serde_json::to_string(&objects(&experiment, workload).unwrap()).unwrap();
        assert!(!objects.contains(&authority_secret_name(&experiment)), "{objects}");
    }
}

#[test]
fn a_template_that_is_no_pod_is_refused_with_the_place_of_the_mistake() {
    let wrong = EXPERIMENT.replace("priorityClassName: low", "terminationGracePeriodSeconds: soon");
    let error = objects(&experiment(&wrong), 2).unwrap_err();
    let said = error.violation().to_string();
    assert!(said.starts_with("spec.trajectory.template: spec.terminationGracePeriodSeconds: "), "{said}");
    assert_eq!(said, error.to_string(), "whoever reads the condition sees the place once");
}

#[test]
fn a_trainer_whose_tasks_differ_is_started_by_a_program_that_asks_for_its_task() {
    let tasks = "retries: 2\n    tasks: [{name: wide, env: {WIDTH: \"4\"}}, {name: deep, args: [--depth, \"3\"]}]";
    let experiment = experiment(&EXPERIMENT.replace("retries: 2", tasks));
    let objects = objects(&experiment, 2).unwrap();
    let [_, Object::Job(job)] = &objects[..] else { panic!("{objects:?}") };
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    insta::assert_yaml_snapshot!("trainer_with_tasks", pod.containers[0]);
    insta::assert_yaml_snapshot!("installer", pod.init_containers.as_ref().unwrap()[1]);
    let much = format!("retries: 2\n    tasks: [{{name: wide, args: [{}]}}]", "a".repeat(200_000));
    let error = self::objects(&self::experiment(&EXPERIMENT.replace("retries: 2", &much)), 2).unwrap_err().to_string();
    assert!(error.starts_with("spec.trajectory.tasks: env and args"), "{error}");
}
