//! Experiments as users write them.

/// PPO on the noisy quadratic: two epochs of four trajectories and a final evaluation of four.
pub const CURVES: &str = r#"
apiVersion: trainpilot.dev/v1alpha1
kind: TuningExperiment
metadata: {name: curves}
spec:
  seed: 7
  parallelism: 4
  objective: {metric: score, direction: Maximize}
  metrics:
  - {name: loss, range: [0, 10], scale: Log}
  - {name: score, range: [0, 1]}
  hyperparameters:
  - {name: learning_rate, initial: 0.01, min: 1.0e-4, max: 1}
  trajectory:
    envSteps: 8
    deadlineSeconds: 120
    retries: 1
    template:
      spec:
        terminationGracePeriodSeconds: 20
        containers:
        - name: trainer
          image: localhost/trainpilot-tasks:0.1.0
          imagePullPolicy: Never
          command: [trainpilot-tasks, curves]
  algorithm:
    ppo: {epochs: 2, trajectoriesPerEpoch: 4}
  finalEvaluation: {trajectories: 4}
"#;

/// How long its pods have to end, as [`CURVES`] says it.
pub(crate) const GRACE: &str = "terminationGracePeriodSeconds: 20\n";

/// The same by SimPLe, with as little of everything as takes seconds.
pub fn simple() -> String {
    let simple = "simple: {epochs: 2, trajectoriesPerEpoch: 4, simulatedEpochs: 10, simulatedTrajectories: 16, worldModel: \
                  {members: 2, dModel: 16, dFf: 16, layers: 1, firstOptimizerSteps: 50, optimizerSteps: 50, patience: 0}}";
    CURVES.replace("ppo: {epochs: 2, trajectoriesPerEpoch: 4}", simple)
}

/// The same under another name, for as many epochs as take minutes.
pub fn long(yaml: &str, name: &str) -> String {
    yaml.replace("metadata: {name: curves}", &format!("metadata: {{name: {name}}}"))
        .replace("epochs: 2,", "epochs: 60,")
}

/// The same with trainers that do something else, none of which is tried twice.
pub fn hostile(deed: &str) -> String {
    let hostile = CURVES.replace("[trainpilot-tasks, curves]", &format!("[trainpilot-hostile, {deed}]"));
    hostile.replace("trainpilot-tasks:0.1.0", "trainpilot-hostile:0.1.0").replace("retries: 1", "retries: 0")
}

/// The same with trainings that take `milliseconds` for an env step.
pub fn slow(milliseconds: u32) -> String {
    let command = "command: [trainpilot-tasks, curves]";
    let pause = format!("{command}\n          env: [{{name: CURVES_STEP_MILLISECONDS, value: \"{milliseconds}\"}}]");
    CURVES.replace(command, &pause)
}

/// The same with agents that keep what nobody can store for five minutes after their trainers have ended.
pub fn patient(yaml: &str) -> String {
    yaml.replace(GRACE, "terminationGracePeriodSeconds: 300\n")
}

/// A learner that keeps everything on the store of [`crate::stores`].
pub const LEARNER_ON_STORE: &str = "{storage: {url: 's3://bucket/runs'}, credentialsSecret: store}";

/// An experiment whose policy learner is one.
pub fn on_store(yaml: &str) -> String {
    with(yaml, &format!("learners: {{policy: {LEARNER_ON_STORE}}}"))
}

/// An experiment with another field in its spec.
pub fn with(yaml: &str, field: &str) -> String {
    yaml.replace("  finalEvaluation:", &format!("  {field}\n  finalEvaluation:"))
}
