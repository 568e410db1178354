"""Serves a server over standard input and output, or over HTTP on a free port, which it prints."""
import socket


def serve(server, arguments):
    if arguments != ["http"]:
        server.run()
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    import threading
    import time

    def say():
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        print(port, flush=True)

    threading.Thread(target=say, daemon=True).start()
    server.run("streamable-http", host="127.0.0.1", port=port)
