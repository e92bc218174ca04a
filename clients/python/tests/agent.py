"""An agent that does as it is told by a test."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse


class Agent:
    """Answers on loopback with what `answers` gives for each step; remembers what it was asked."""

    def __init__(self, hyperparameters, answers, env_steps=3, known=None):
        self.start = {"id": "uid-0-1-0", "envSteps": env_steps, "seed": 7, "hyperparameters": hyperparameters, "nextStep": 0}
        self.answers, self.known, self.reports, self.checkpoints = answers, known or {}, [], None
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(200, agent.trajectory(parse_qs(urlparse(self.path).query, keep_blank_values=True)))

            def do_POST(self):
                self.reply(*agent.step(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def reply(self, status, body):
                text = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/a-path"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def trajectory(self, query):
        if "checkpoints" not in query:
            return self.start
        self.checkpoints = query["checkpoints"][0]
        there = [int(step) for step in self.checkpoints.split(",") if step and int(step) in self.known]
        if not there:
            return self.start
        return {**self.start, "nextStep": max(there) + 1, "hyperparameters": self.known[max(there)]}

    def step(self, report):
        self.reports.append(report)
        if report.get("diverged"):
            return 200, {"hyperparameters": self.start["hyperparameters"], "done": True}
        answer = self.answers(report)
        if isinstance(answer, str):
            return 422, answer
        return 200, {"hyperparameters": answer, "done": report["step"] == self.start["envSteps"]}

    def go_away(self):
        self.server.shutdown()
        self.server.server_close()
