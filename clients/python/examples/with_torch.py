import torch

import trainpilot.torch

torch.manual_seed(0)
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)


def evaluate():
    model.eval()
    with torch.no_grad():
        return {"validation_loss": torch.nn.functional.mse_loss(model(x), y)}


tuner = trainpilot.torch.connect(optimizer, model, env_steps=3)
tuner.step(evaluate())
while not tuner.done:
    model.train()
    for _ in range(10):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    tuner.step(evaluate())
print(tuner.hyperparameters)
