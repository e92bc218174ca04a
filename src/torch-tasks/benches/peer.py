"""The same trainings in eager PyTorch, written as its users would: the peer of `steps.rs`, which starts it.

Reads one line of JSON, what to train, with a safetensors file that holds the weights at the start and the one batch; then on
each line a number of steps, which it makes. Prints for each a line of JSON: processor seconds, and mean loss and accuracy.
"""

import json
import struct
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def tensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        head, data = json.loads(file.read(size)), bytearray(file.read())
    kinds = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8}
    found = {}
    for name, entry in head.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            part = torch.frombuffer(data[begin:end], dtype=kinds[entry["dtype"]])
            found[name] = part.view(entry["shape"])
    return found


class Block(nn.Module):
    def __init__(self, d, f, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention, self.mixed = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.hidden, self.output = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.attention(self.attention_norm(x)).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)
        x = x + self.mixed(y.transpose(1, 2).reshape(b, t, d))
        y = F.dropout(F.relu(self.hidden(self.feed_forward_norm(x))), self.dropout)
        return x + F.dropout(self.output(y), self.dropout)


class Transformer(nn.Module):
    def __init__(self, w):
        super().__init__()
        d, self.dropout, self.layers = w["width"], w["dropout"], w["layers"]
        self.embedding = nn.Parameter(torch.empty(w["vocabulary"], d))
        self.positions = nn.Parameter(torch.empty(w["context"], d))
        for n in range(self.layers):
            self.add_module(f"layer{n}", Block(d, w["feedForward"], w["heads"], self.dropout))
        self.norm = nn.LayerNorm(d)
        self.output = nn.Parameter(torch.empty(w["vocabulary"], d))

    def forward(self, tokens):
        x = F.dropout(F.embedding(tokens, self.embedding) + self.positions[: tokens.shape[1]], self.dropout)
        for n in range(self.layers):
            x = getattr(self, f"layer{n}")(x)
        return F.linear(self.norm(x), self.output)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.norm0, self.norm1 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.convolution0 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.convolution1 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs or stride != 1 else None

    def forward(self, x):
        y = F.relu(self.norm0(x))
        z = self.convolution1(F.relu(self.norm1(self.convolution0(y))))
        return z + (x if self.shortcut is None else self.shortcut(y))


class WideResNet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.first, inputs, self.names = nn.Conv2d(w["channels"], 16, 3, 1, 1, bias=False), 16, []
        for group, outputs in enumerate(narrow * w["width"] for narrow in (16, 32, 64)):
            for number in range((w["depth"] - 4) // 6):
                self.names.append(f"block{group}-{number}")
                self.add_module(self.names[-1], ResidualBlock(inputs, outputs, 2 if group and not number else 1))
                inputs = outputs
        self.last, self.output = nn.BatchNorm2d(inputs), nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.first(x)
        for name in self.names:
            x = getattr(self, name)(x)
        return self.output(F.relu(self.last(x)).mean((2, 3)))


def main():
    torch.set_num_threads(1)
    w = json.loads(sys.stdin.readline())
    found = tensors(w["file"])
    inputs, targets = found.pop("inputs"), found.pop("targets").long()
    text = w["task"] == "language-model"
    network = Transformer(w) if text else WideResNet(w)
    names = network.state_dict().keys()
    state = {name: torch.tensor(0) if name.endswith("num_batches_tracked") else found[name] for name in names}
    network.load_state_dict(state)
    if text:
        optimizer = torch.optim.AdamW(network.parameters(), lr=w["learningRate"], weight_decay=w["weightDecay"])
        targets = targets.view(-1)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=w["learningRate"], momentum=0.9, weight_decay=w["weightDecay"])
        mean, deviation = found["mean"], found["deviation"]
    for line in sys.stdin:
        steps, losses, right = int(line), torch.zeros(()), torch.zeros(())
        begin = time.process_time()
        for _ in range(steps):
            logits = network(inputs if text else (inputs.float() - mean) / deviation)
            logits = logits.view(-1, logits.shape[-1])
            loss = F.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.detach()
            right += (logits.argmax(1) == targets).sum() / (targets >= 0).sum()
        loss, accuracy = losses.item() / steps, right.item() / steps
        print(json.dumps({"seconds": time.process_time() - begin, "loss": loss, "accuracy": accuracy}), flush=True)


main()
