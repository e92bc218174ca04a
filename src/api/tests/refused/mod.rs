//! Specs that are refused, and what is said: by us offline (`refusals.rs`), and by a real apiserver (`tests/cluster`).

/// A spec that is not refused.
pub const BASE: &str = include_str!("../base.yaml");

const LEARNING_RATE: &str = "initial: 0.01, min: 1e-5, max: 1}";
const MOMENTUM: &str = "initial: 0.9, min: 0, max: 0.99, complement: true}";
/// Its algorithm.
pub const PPO: &str = "ppo: {}";
/// Where fields of the spec are added.
pub const END: &str = "  algorithm:";

/// What is replaced in it, by what, and what is said then.
pub const TABLE: &[(&str, &str, &str)] = &[
    // Shape
    (
        "v1alpha1",
        "v1",
        r#"apiVersion: Unsupported value: "trainpilot.dev/v1": supported values: "trainpilot.dev/v1alpha1""#,
    ),
    ("kind: TuningExperiment", "kind: Job", r#"kind: Unsupported value: "Job": supported values: "TuningExperiment""#),
    ("metadata: {name: small}", "metadata: {}", "metadata.name: Required value"),
    (
        "name: small",
        "name: Small_One",
        "metadata.name: expected at most 40 lower-case letters, digits and inner hyphens, a letter first, since other names are made from it",
    ),
    (
        "name: small",
        "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "metadata.name: expected at most 40 lower-case letters, digits and inner hyphens, a letter first, since other names are made from it",
    ),
    (
        "envSteps: 20",
        "envStep: 20",
        "spec.trajectory.envStep: unknown field: did you mean \"envSteps\"?\nspec.trajectory.envSteps: Required value",
    ),
    ("scale: Log}", "scale: Log, weight: 1}", "spec.metrics[0].weight: unknown field"),
    (END, "  surplus: 1\n  algorithm:", "spec.surplus: unknown field"),
    (
        PPO,
        "simple: {ppo: {epochs: 3}}",
        "spec.algorithm.simple.ppo: epochs and trajectoriesPerEpoch of ppo: expected none, since PPO learns in simulatedEpochs of simulatedTrajectories",
    ),
    (
        PPO,
        "simple: {ppo: {preset: talk}}",
        "spec.algorithm.simple.ppo.preset: preset of ppo: expected none, since that of simple counts",
    ),
    (
        PPO,
        "simple: {preset: talk, worldModel: {heads: 3}}",
        "spec.algorithm.simple.worldModel.heads: heads is 3: expected a divisor of dModel, which is 256",
    ),
    (
        PPO,
        "policy: {from: {path: a, policyRef: {name: b}}}",
        "spec.algorithm.policy.from: expected exactly one of path and policyRef",
    ),
    (PPO, "policy: {from: {}}", "spec.algorithm.policy.from: expected exactly one of path and policyRef"),
    (
        END,
        "  learners: {policy: {storage: {url: 's3://bucket/runs', size: 10Gi}}}\n  algorithm:",
        "spec.learners.policy.storage.url: url is set: expected no size and no className, which are of volumes",
    ),
    (
        END,
        "  learners: {policy: {storage: {url: 'http://host/runs'}}}\n  algorithm:",
        "spec.learners.policy.storage.url: expected a URL such as s3://bucket/prefix, without user, query or fragment; schemes are s3, gs, az and abfss",
    ),
    (
        END,
        "  publish: {name: Good, to: here}\n  algorithm:",
        "spec.publish.name: expected lower-case letters, digits and inner hyphens",
    ),
    (
        END,
        "  publish: {name: good, to: 'ftp://host/policies'}\n  algorithm:",
        "spec.publish.to: expected a folder, or a URL such as s3://bucket/prefix, without user, query or fragment; schemes are file, s3, gs, az and abfss",
    ),
    (
        "  algorithm:\n    ppo: {}",
        "  initialData: {}\n  algorithm:\n    simple: {}",
        "spec.initialData: expected at least one entry in from or policyRefs",
    ),
    (
        END,
        "  initialData: {from: [runs/first]}\n  algorithm:",
        "spec.initialData: initialData is set: expected none, except with algorithm simple",
    ),
    (
        END,
        "  learners: {worldModel: {}}\n  algorithm:",
        "spec.learners.worldModel: worldModel is set: expected none, except with algorithm simple",
    ),
    (
        PPO,
        "simple: {policy: Symbols}",
        "spec.algorithm.simple.policy: policy is Symbols: expected a world model with output Symbols, which is Residual",
    ),
    (
        PPO,
        "simple: {policyFromWorldModel: false}",
        "spec.algorithm.simple.policyFromWorldModel: policyFromWorldModel is set: expected none, except with policy Symbols",
    ),
    (PPO, "simple: {epoch: 3}", "spec.algorithm.simple.epoch: unknown field: did you mean \"epochs\"?"),
    (PPO, "ppo: {epoch: 3}", "spec.algorithm.ppo.epoch: unknown field: did you mean \"epochs\"?"),
    ("  objective: {metric: accuracy}\n", "", "spec.objective: Required value"),
    (
        "envSteps: 20",
        "envSteps: twenty",
        r#"spec.trajectory.envSteps: Invalid value: "twenty": must be of type integer"#,
    ),
    ("envSteps: 20", "envSteps: 2.5", "spec.trajectory.envSteps: Invalid value: 2.5: must be of type integer"),
    ("envSteps: 20", "envSteps: 0", "spec.trajectory.envSteps: Invalid value: 0: should be greater than or equal to 1"),
    ("WIDTH: \"2\"", "WIDTH: 2", "spec.trajectory.tasks[0].env.WIDTH: Invalid value: 2: must be of type string"),
    (
        "scale: Logit",
        "scale: Logarithmic",
        r#"spec.metrics[1].scale: Unsupported value: "Logarithmic": supported values: "Linear", "Log", "Logit""#,
    ),
    (
        "{metric: accuracy}",
        "{metric: accuracy, direction: up}",
        r#"spec.objective.direction: Unsupported value: "up": supported values: "Maximize", "Minimize""#,
    ),
    (END, "  repetitions: 0\n  algorithm:", "spec.repetitions: Invalid value: 0: should be greater than or equal to 1"),
    (
        END,
        "  parallelism: -1\n  algorithm:",
        "spec.parallelism: Invalid value: -1: should be greater than or equal to 0",
    ),
    (END, "  budget: {hours: 0}\n  algorithm:", "spec.budget.hours: Invalid value: 0: should be greater than 0"),
    // Metrics and objective
    ("range: [0, 10]", "range: [10, 0]", "spec.metrics[0].range: range is [10, 0]: expected the lower number first"),
    ("range: [0, 10]", "range: [0]", "spec.metrics[0].range: Invalid value: 1: should have at least 2 items"),
    (
        "range: [0, 10]",
        "range: [0, .inf]",
        "line 7 column 29: non-finite float `.inf` rejected by the configured policy",
    ),
    ("name: loss", "name: accuracy", "spec.metrics: two metrics have the same name: expected different ones"),
    ("name: loss", "name: the loss", "spec.metrics[0].name: name is the loss: expected letters, digits and _ . / -"),
    (
        "{metric: accuracy}",
        "{metric: accurancy}",
        "spec.objective.metric: objective.metric is accurancy: expected the name of one of metrics",
    ),
    (
        "scale: Log}",
        "scale: Log, from: {prometheus: eval_loss}}",
        "spec.trajectory.metricsPage: expected metricsPage if, and only if, some of metrics have from: it is the page that they are read on",
    ),
    (
        "envSteps: 20",
        "metricsPage: {port: 8091, path: numbers}\n    envSteps: 20",
        "spec.trajectory.metricsPage: expected metricsPage if, and only if, some of metrics have from: it is the page that they are read on\nspec.trajectory.metricsPage.path: path is numbers: expected a slash first\nspec.trajectory.metricsPage.port: port is 8091: expected another one than 8090 and 8091, which are the agent's",
    ),
    (
        "envSteps: 20",
        "metricsPage: {port: 65536}\n    envSteps: 20",
        "spec.trajectory.metricsPage.port: Invalid value: 65536: should be less than or equal to 65535",
    ),
    (
        "scale: Log}",
        "scale: Log, from: {prometheus: 'rate(eval_loss[5m])'}}",
        "spec.metrics[0].from.prometheus: prometheus is rate(eval_loss[5m]): expected a name, and perhaps labels, as in eval_loss{split=\"valid\"}\nspec.trajectory.metricsPage: expected metricsPage if, and only if, some of metrics have from: it is the page that they are read on",
    ),
    // Hyperparameters
    (
        LEARNING_RATE,
        "initial: 0.01, min: 1, max: 1e-5}",
        "spec.hyperparameters[0].initial: initial is 0.01: expected a value from min 1 to max 0.00001\nspec.hyperparameters[0].min: min is 1 and max is 0.00001: expected min below max",
    ),
    (
        LEARNING_RATE,
        "initial: 2, min: 1e-5, max: 1}",
        "spec.hyperparameters[0].initial: initial is 2: expected a value from min 0.00001 to max 1",
    ),
    (
        LEARNING_RATE,
        "initial: 0.01, min: 0, max: 1}",
        "spec.hyperparameters[0].min: min is 0: expected more than 0, since steps are multiplications; numbers near 1, such as momentum, take complement: true",
    ),
    (
        LEARNING_RATE,
        "min: 1e-5, max: 1}",
        "spec.hyperparameters[0].initial: expected exactly one of initial and initialRange for learning_rate",
    ),
    (
        LEARNING_RATE,
        "initial: 0.01, initialRange: [0.01, 0.1], min: 1e-5, max: 1}",
        "spec.hyperparameters[0].initial: expected exactly one of initial and initialRange for learning_rate",
    ),
    (
        LEARNING_RATE,
        "initialRange: [0.1, 0.01], min: 1e-5, max: 1}",
        "spec.hyperparameters[0].initialRange: initialRange is [0.1, 0.01]: expected the lower number first, both from min 0.00001 to max 1",
    ),
    (
        LEARNING_RATE,
        "initialRange: [0.1, 10], min: 1e-5, max: 1}",
        "spec.hyperparameters[0].initialRange: initialRange is [0.1, 10]: expected the lower number first, both from min 0.00001 to max 1",
    ),
    (
        MOMENTUM,
        "initial: 0.9, min: 0, max: 1, complement: true}",
        "spec.hyperparameters[1].max: max is 1: expected less than 1 with complement, since 1 - x is what is steered",
    ),
    (
        "name: momentum",
        "name: learning_rate",
        "spec.hyperparameters: two hyperparameters have the same name: expected different ones",
    ),
    (
        LEARNING_RATE,
        "initial: 0.01, min: 1e-5, max: 1, schedule: {}}",
        "spec.hyperparameters[0].schedule: expected exactly one of constant, linear and cosine",
    ),
    (
        LEARNING_RATE,
        "initial: 0.01, min: 1e-5, max: 1, schedule: {linear: {to: 2}}}",
        "spec.hyperparameters[0].schedule.linear.to: Invalid value: 2: should be less than or equal to 1",
    ),
    // Multipliers
    (
        END,
        "  multipliers: [0.5, 2]\n  algorithm:",
        "spec.multipliers: expected exactly one multiplier that is 1.0, which keeps a value",
    ),
    (END, "  multipliers: [-1, 1]\n  algorithm:", "spec.multipliers: expected only multipliers above 0"),
    (
        END,
        "  multipliers: [0.5, 0.5, 1]\n  algorithm:",
        "spec.multipliers: two multipliers are equal: expected different ones",
    ),
    // Trajectory
    ("name: trainer", "name: training", "spec.trajectory.template.spec.containers: expected a container named trainer"),
    (
        ", command: [train]",
        "",
        "spec.trajectory.template.spec.containers: the container named trainer has no command: expected the program that trains",
    ),
    (
        ", command: [train]",
        ", command: []",
        "spec.trajectory.template.spec.containers: the container named trainer has no command: expected the program that trains",
    ),
    (
        "env: {WIDTH: \"2\"}}",
        "env: {WIDTH: \"2\"}}\n    - {name: narrow}",
        "spec.trajectory.tasks: two tasks have the same name: expected different ones",
    ),
    ("env: {WIDTH: \"2\"}", "weight: 0", "spec.trajectory.tasks[0].weight: Invalid value: 0: should be greater than 0"),
    (
        "env: {WIDTH: \"2\"}",
        "initial: {rate: 1}",
        "spec.trajectory.tasks: initial of a task: expected names of hyperparameters, and values from their min to their max",
    ),
    (
        END,
        "  finalEvaluation: {tasks: [{name: unseen, initial: {learning_rate: 7}}]}\n  algorithm:",
        "spec.finalEvaluation.tasks: initial of a task: expected names of hyperparameters, and values from their min to their max",
    ),
    // Algorithms
    (PPO, "{}", "spec.algorithm: expected exactly one of simple, ppo, fixed, search, random and policy"),
    (
        PPO,
        "ppo: {}\n    random: {}",
        "spec.algorithm: expected exactly one of simple, ppo, fixed, search, random and policy",
    ),
    (
        PPO,
        "ppo: {preset: Talk}",
        r#"spec.algorithm.ppo.preset: Unsupported value: "Talk": supported values: "default", "talk""#,
    ),
    (
        PPO,
        "ppo: {group: 3}",
        "spec.algorithm.ppo.group: group is 3: expected a divisor of trajectoriesPerEpoch, which is 16",
    ),
    (
        PPO,
        "ppo: {advantages: PerGroup}",
        "spec.algorithm.ppo.group: group is 1: expected at least 2 with advantages PerGroup, since a trajectory alone has no baseline",
    ),
    (
        PPO,
        "ppo: {network: {heads: 3}}",
        "spec.algorithm.ppo.network.heads: heads is 3: expected a divisor of dModel, which is 64",
    ),
    (
        PPO,
        "ppo: {inputs: {oneRange: [1, 0]}}",
        "spec.algorithm.ppo.inputs.oneRange: oneRange is [1, 0]: expected the lower number first",
    ),
    (PPO, "ppo: {learningRate: 0}", "spec.algorithm.ppo.learningRate: Invalid value: 0: should be greater than 0"),
    (PPO, "ppo:", "spec.algorithm.ppo: Invalid value: null: must be of type object"),
    (
        PPO,
        "fixed: {overrides: {rate: {linear: {}}}}",
        "spec.algorithm.fixed.overrides: overrides: expected names of hyperparameters",
    ),
    (
        PPO,
        "search: {candidates: 2}",
        "spec.algorithm.search.finalists: finalists is 4: expected at most candidates, which is 2",
    ),
    (
        PPO,
        "search: {candidates: 9, startRange: {learning_rate: [0.1, 7]}}",
        "spec.algorithm.search.startRange: startRange: expected names of hyperparameters, each with two values from its min to its max, the lower one first",
    ),
    (PPO, "random: {seed: 1}", "spec.algorithm.random.seed: unknown field"),
];
