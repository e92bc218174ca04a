"""The same epoch of PPO in eager PyTorch, written as its users would: the peer of `ppo.rs`, which starts it.

Reads the workload (shape, settings, weights, data) as JSON from standard input, and learns the epoch again and again from
the same weights. Prints one JSON object: processor seconds of all repetitions, and losses to compare. What it takes to turn
trajectories into tensors is not counted here; it is on the Rust side.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, d, f, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(d)
        self.query, self.key, self.value, self.output = (nn.Linear(d, d) for _ in range(4))
        self.feed_forward_norm = nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        b, t, d = x.shape
        y = self.attention_norm(x)
        q, k, v = (layer(y).view(b, t, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.relu(self.up(self.feed_forward_norm(x))))


class Policy(nn.Module):
    def __init__(self, w):
        super().__init__()
        d = w["dModel"]
        self.heads_shape = (w["hyperparameters"], w["multipliers"])
        self.input = nn.Linear(w["inputs"], d)
        for n in range(w["layers"]):
            self.add_module(f"block{n}", Block(d, w["dFf"], w["heads"]))
        self.blocks = [getattr(self, f"block{n}") for n in range(w["layers"])]
        self.norm = nn.LayerNorm(d)
        self.actions = nn.Linear(d, w["hyperparameters"] * w["multipliers"])
        self.value = nn.Linear(d, 1)
        place = torch.arange(d)
        angle = torch.arange(w["envSteps"])[:, None] / 10_000 ** ((place - place % 2) / d)
        self.positions = torch.where(place % 2 == 0, angle.sin(), angle.cos())

    def forward(self, x):
        b, t, _ = x.shape
        x = self.input(10 * (x - 0.5)) + self.positions[:t]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.actions(x).view(b, t, *self.heads_shape).log_softmax(-1), self.value(x).squeeze(-1)


def gae(rewards, values, discount, lam):
    advantages, after, advantage = torch.zeros_like(rewards), torch.zeros(len(rewards)), torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        advantage = rewards[:, t] + discount * after - values[:, t] + discount * lam * advantage
        advantages[:, t], after = advantage, values[:, t]
    return advantages


def losses(policy, data, targets, s):
    log_probabilities, values = policy(data["observations"])
    chosen = log_probabilities.gather(-1, data["actions"].unsqueeze(-1)).squeeze(-1)
    log_ratio = (chosen - data["acted"]).clamp(-20, 20)
    ratio = log_ratio.exp()
    advantages, returns, old = targets
    advantages, mask = advantages.unsqueeze(-1), data["mask"].unsqueeze(-1)
    count = data["mask"].sum() * ratio.shape[-1]
    clipped = ratio.clamp(1 - s["clip"], 1 + s["clip"])
    policy_loss = -(torch.minimum(ratio * advantages, clipped * advantages) * mask).sum() / count
    moved = old + (values - old).clamp(-s["clip"], s["clip"])
    value_loss = torch.maximum((values - returns).square(), (moved - returns).square())
    value_loss = (value_loss * data["mask"]).sum() / data["mask"].sum()
    entropy = -((log_probabilities.exp() * log_probabilities).sum(-1) * mask).sum() / count
    with torch.no_grad():
        kl = ((ratio - 1 - log_ratio) * mask).sum() / count
        clip_share = (((ratio - 1).abs() > s["clip"]) * mask).sum() / count
    return policy_loss, value_loss, entropy, kl, clip_share


def learn(policy, optimizer, data, s):
    with torch.no_grad():
        old = policy(data["observations"])[1]
        advantages = gae(data["rewards"], old, s["discount"], s["gaeLambda"])
        returns = advantages + old
        spread, mean = torch.std_mean(advantages, 0, correction=0)
        targets = (advantages - mean) / (spread + 1e-6), returns, old
    for _ in range(s["optimizerSteps"]):
        policy_loss, value_loss, entropy, kl, _ = losses(policy, data, targets, s)
        if kl.item() > s["targetKl"]:
            break
        loss = policy_loss + s["valueWeight"] * value_loss - s["entropyWeight"] * entropy
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), s["maxGradientNorm"])
        optimizer.step()
    with torch.no_grad():
        return [term.item() for term in losses(policy, data, targets, s)]


def main():
    torch.set_num_threads(1)
    w = json.load(sys.stdin)
    s = w["settings"]
    data = {name: torch.tensor(w[name]) for name in ("observations", "actions", "acted", "rewards")}
    data["mask"] = torch.ones_like(data["rewards"])
    weights = {name: torch.tensor(values).view(shape) for name, shape, values in w["weights"]}
    seconds = 0.0
    for _ in range(w["repetitions"]):
        policy = Policy(w)
        policy.load_state_dict(weights)
        within, others = [], []
        for name, weight in policy.named_parameters():
            (within if name.startswith("block") else others).append(weight)
        groups = [{"params": others}, {"params": within, "lr": s["learningRate"] * s["blockLearningRate"]}]
        optimizer = torch.optim.Adam(groups, lr=s["learningRate"], eps=1e-5)
        begin = time.process_time()
        figures = learn(policy, optimizer, data, s)
        seconds += time.process_time() - begin
    print(json.dumps({"seconds": [seconds], "losses": figures}))


main()
