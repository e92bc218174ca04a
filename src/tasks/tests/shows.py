"""The trainer of trainer.py, which reports no metrics but shows them, as Prometheus text at a port of its own."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trainpilot

PAGE = 'steps_total {steps}\ncurve{{kind="loss",split="valid"}} {loss}\ncurve{{kind="score",split="valid"}} {score}\n'
shown = {}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE.format(**shown).encode()
        self.send_response(200 if self.path == "/numbers" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["TRAINPILOT_METRICS_PORT"])), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loss = 8.0
    tuner = trainpilot.connect(learning_rate=0.5)
    while not tuner.done:
        if tuner.next_step > 0:
            loss = abs(loss * (1 - tuner.hyperparameters["learning_rate"]))
        shown.update(steps=tuner.next_step, loss=loss, score=1 / (1 + loss))
        tuner.step()


main()
