//! Labels and annotations on everything that belongs to an experiment.

/// Name of the experiment.
pub const EXPERIMENT: &str = "trainpilot.dev/experiment";
/// What an object is for: one of the roles below.
pub const ROLE: &str = "trainpilot.dev/role";
/// Repetition, from 0.
pub const REPETITION: &str = "trainpilot.dev/repetition";
/// Epoch, from 1.
pub const EPOCH: &str = "trainpilot.dev/epoch";
/// Index, from 0, as an indexed Job tells its pods: both a label and an annotation.
pub const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation of a batch that is the final evaluation.
pub const FINAL_EVALUATION: &str = "trainpilot.dev/final-evaluation";
/// Annotation of a learner: epochs that it was told to learn from.
pub const EPOCHS: &str = "trainpilot.dev/epochs";
/// Annotation of a learner: a digest of what was written, so that nothing is written twice.
pub const CONTENT: &str = "trainpilot.dev/content";
/// What the names of all labels and annotations begin with that Kueue goes by; those of an experiment are its batches' too.
pub const KUEUE: &str = "kueue.x-k8s.io/";
/// Label that hands a Job to Kueue.
pub const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// Role of the pods of trajectories.
pub const TRAJECTORY: &str = "trajectory";
/// Role of policy learners.
pub const POLICY_LEARNER: &str = "policy-learner";
/// Role of world-model learners.
pub const WORLD_MODEL_LEARNER: &str = "world-model-learner";
