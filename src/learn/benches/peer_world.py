"""The world model in symbols in eager PyTorch, written as its users would: the peer of `world.rs`, which starts it.

Reads the workload (shape, settings, weights, data) as JSON from standard input and prints one JSON object. To "simulate" is
to draw trainings with memory of keys and values: once every symbol of an observation on its own, and once only those that
nobody knows yet. To "train" is to take optimizer steps, with the losses before and after them to compare. What it takes to
write numbers in symbols is not counted here; it is on the Rust side.

N sequences, T env steps of S symbols, of which O are an observation's and G of these are drawn, V symbols of the alphabet.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Memory:
    """Keys and values of a block, with room for all positions."""

    def __init__(self, n, heads, length, e):
        self.keys, self.values = torch.empty(2, n, heads, length, e)
        self.seen = 0

    def attend(self, q, k, v, window):
        """Adds positions, and gives their attention to what they see of all so far."""
        begin, end = self.seen, self.seen + q.shape[2]
        self.keys[:, :, begin:end], self.values[:, :, begin:end] = k, v
        self.seen = end
        first = max(begin // window - 1, 0) * window if window else 0
        mask = None
        if end - begin > 1:
            rows, columns = torch.arange(begin, end)[:, None], torch.arange(first, end)
            mask = columns <= rows
            if window:
                mask &= columns >= (rows // window - 1) * window
        keys, values = self.keys[:, :, first:end], self.values[:, :, first:end]
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)


def attend_in_bins(q, k, v, w):
    """Positions see their own bin of w positions and the one before; nothing else is computed."""
    n, h, t, e = q.shape
    bins = -(-t // w)
    q, k, v = (F.pad(x, (0, 0, 0, bins * w - t)).view(n, h, bins, w, e) for x in (q, k, v))
    k, v = (torch.cat([F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0)), x], 3) for x in (k, v))
    mask = torch.ones(w, 2 * w, dtype=torch.bool).tril(w).repeat(bins, 1, 1)
    mask[0, :, :w] = False
    q, k, v = (x.reshape(n, h * bins, -1, e) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.repeat(h, 1, 1))
    return y.reshape(n, h, bins * w, e)[:, :, :t]


class Block(nn.Module):
    def __init__(self, d, f, heads, window):
        super().__init__()
        self.heads, self.window = heads, window
        self.attention_norm = nn.LayerNorm(d)
        self.query, self.key, self.value, self.output = (nn.Linear(d, d) for _ in range(4))
        self.feed_forward_norm = nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x, memory=None):
        n, t, d = x.shape
        y = self.attention_norm(x)
        q, k, v = (layer(y).view(n, t, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value))
        if memory is not None:
            y = memory.attend(q, k, v, self.window)
        elif self.window and self.window < t:
            y = attend_in_bins(q, k, v, self.window)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.relu(self.up(self.feed_forward_norm(x))))


class Forecaster(nn.Module):
    def __init__(self, w):
        super().__init__()
        d, s, length = w["dModel"], w["envStep"], w["envSteps"] * w["envStep"] + w["observation"]
        self.vocabulary = self.start = w["vocabulary"]
        self.embedding, self.places = nn.Embedding(self.start + 1, d), nn.Embedding(s, d)
        for n in range(w["layers"]):
            self.add_module(f"block{n}", Block(d, w["dFf"], w["heads"], w["window"]))
        self.blocks = [getattr(self, f"block{n}") for n in range(w["layers"])]
        self.norm, self.output = nn.LayerNorm(d), nn.Linear(d, self.vocabulary + 1)
        symbols = torch.arange(length)
        self.drawn = symbols[(symbols >= s) & (symbols % s < w["drawn"])]
        self.significance = torch.tensor(w["significance"])
        # The start stands before the first symbol, and takes the place before it.
        self.place, env_step = (symbols - 1) % s, ((symbols - 1) // s).clamp(min=0)
        column = torch.arange(d)
        angle = env_step[:, None] / 10_000 ** ((column - column % 2) / d)
        self.env_steps = torch.where(column % 2 == 0, angle.sin(), angle.cos())

    def positions(self):
        return self.places(self.place) + self.env_steps

    def loss(self, symbols):
        """Weighted cross-entropy of the drawn symbols in nats per env step, of whole sequences."""
        x = self.embedding(F.pad(symbols[:, :-1], (1, 0), value=self.start)) + self.positions()
        for block in self.blocks:
            x = block(x)
        logits = self.output(self.norm(x[:, self.drawn]))  # (N, T G, V + 1)
        entropies = F.cross_entropy(logits.flatten(0, 1), symbols[:, self.drawn].flatten(), reduction="none")
        return (entropies.view(-1, len(self.significance)) * self.significance).sum(-1).mean()

    def memories(self, n):
        heads, d = self.blocks[0].heads, self.embedding.embedding_dim
        return [Memory(n, heads, len(self.place), d // heads) for _ in self.blocks]

    def step(self, symbols, positions, memories):
        """Reads the next symbols; gives the vectors at the last of them."""
        seen = memories[0].seen
        x = self.embedding(symbols) + positions[seen : seen + symbols.shape[1]]
        for block, memory in zip(self.blocks, memories):
            x = block(x, memory)
        return x[:, -1]

    def draw(self, x, is_first):
        """The symbol after x, (N, 1). The first may say that a training diverged; then it goes on with any."""
        logits = self.output(self.norm(x))
        shares = (logits if is_first else logits[:, : self.vocabulary]).softmax(-1)
        # A tenth of the time that torch.multinomial takes.
        drawn = torch.searchsorted(shares.cumsum(-1), torch.rand(len(shares), 1))
        return drawn.clamp(max=self.vocabulary - 1)


@torch.inference_mode()
def simulate(model, w, every_symbol):
    """Trainings from a first observation on, whose hyperparameters stay as they are; metrics in symbols, (N, T, G)."""
    first, actions = (torch.tensor(w["work"][name]) for name in ("first", "actions"))  # (N, O), (N, C)
    n, g = len(first), w["drawn"]
    memories, positions = model.memories(n), model.positions()
    known = torch.cat([torch.full((n, 1), model.start), first], 1)
    metrics = []
    for _ in range(w["envSteps"]):
        if every_symbol:
            for symbols in (known, *actions.split(1, 1)):
                x = model.step(symbols, positions, memories)
        else:
            x = model.step(torch.cat([known, actions], 1), positions, memories)
        drawn = [model.draw(x, True)]
        for _ in range(1, w["observation"] if every_symbol else g):
            drawn.append(model.draw(model.step(drawn[-1], positions, memories), False))
        metrics.append(torch.cat(drawn[:g], 1))
        # The last symbol has not been read yet; the hyperparameters after it are known unless they were drawn.
        known = drawn[-1] if every_symbol else torch.cat([drawn[-1], first[:, g:]], 1)
    return torch.stack(metrics, 1)


def train(model, optimizer, symbols, s):
    """Loss of all sequences after the optimizer steps of settings s."""
    for _ in range(s["firstOptimizerSteps"]):
        loss = model.loss(symbols[torch.randperm(len(symbols))[: s["batch"]]])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        return model.loss(symbols).item()


def measured(seconds, work, *given):
    begin = time.process_time()
    result = work(*given)
    seconds.append(time.process_time() - begin)
    return result


def main():
    torch.set_num_threads(1)
    w = json.load(sys.stdin)
    model = Forecaster(w)
    # Without the dimension of the ensemble's members, of which there is one.
    model.load_state_dict({name: torch.tensor(values).view(shape[1:]) for name, shape, values in w["weights"]})
    seconds, losses = [], []
    if "settings" in w["work"]:
        symbols, s = torch.tensor(w["work"]["symbols"]), w["work"]["settings"]
        # Loads more of torch, for a second or so: that is not counted.
        optimizer = torch.optim.AdamW(model.parameters(), s["learningRate"], eps=1e-5, weight_decay=s["weightDecay"])
        with torch.no_grad():
            losses.append(model.loss(symbols).item())
        losses.append(measured(seconds, train, model, optimizer, symbols, s))
    else:
        for every_symbol in (True, False):
            measured(seconds, simulate, model, w, every_symbol)
    print(json.dumps({"seconds": seconds, "losses": losses}))


main()
