import lightning
import torch

import trainpilot.lightning


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = torch.nn.Linear(4, 1)

    def training_step(self, batch):
        return torch.nn.functional.mse_loss(self.model(batch), batch.sum(1, keepdim=True))

    def validation_step(self, batch):
        self.log("val_loss", torch.nn.functional.mse_loss(self.model(batch), batch.sum(1, keepdim=True)))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=1e-4)


data = torch.utils.data.DataLoader(torch.randn(64, 4), batch_size=16)
callback = trainpilot.lightning.Callback({"validation_loss": "val_loss"})
off = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer = lightning.Trainer(max_epochs=3, num_sanity_val_steps=-1, accelerator="cpu", callbacks=[callback], **off)
trainer.fit(Module(), data, data)
print(callback.tuner.hyperparameters)
