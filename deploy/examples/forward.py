"""Takes what `millrace consume forward` sends: FORWARD_SECRET=hush python3 forward.py 8000"""
import base64, hmac, json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

orders, done = set(), set()  # a real service keeps them in its database

def handle(topic, body):  # the status is the verdict
    if topic == "refunds/create" and body["order_id"] not in orders:
        return 409  # not ready: it comes back once its order has been here
    orders.add(body.get("order_id", body["id"]))
    return 204

class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        h, body = self.headers, self.rfile.read(int(self.headers["Content-Length"]))
        signature = base64.b64encode(hmac.digest(os.environb[b"FORWARD_SECRET"], body, "sha256"))
        if not hmac.compare_digest(signature, h.get("X-Millrace-Signature", "").encode()):
            return self.send_error(401)
        status = 204 if h["Idempotency-Key"] in done else handle(h["ce-shopifytopic"], json.loads(body))
        if status == 204: done.add(h["Idempotency-Key"])
        print(h["ce-shopifytopic"], h["ce-subject"], status, flush=True)
        self.send_response(status), self.end_headers()

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint)
print("listening on port", server.server_port, flush=True)
server.serve_forever()
