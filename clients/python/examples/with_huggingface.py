import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import trainpilot.huggingface

size = dict(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
model = BertForSequenceClassification(BertConfig(**size, num_labels=2))
data = [{"input_ids": torch.randint(0, 32, (8,)), "labels": torch.tensor(n % 2)} for n in range(32)]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        eval_strategy="steps",
        eval_steps=4,
        eval_on_start=True,
        max_steps=12,
        learning_rate=0.01,
        weight_decay=1e-4,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    callback = trainpilot.huggingface.Callback({"validation_loss": "eval_loss"})
    Trainer(model, arguments, train_dataset=data, eval_dataset=data, callbacks=[callback]).train()
print(callback.tuner.hyperparameters)
