"""A page's connection to its kernel, without Nagle's algorithm.

A moved handle is answered by several small messages. Tornado leaves Nagle's algorithm on, which holds the
second one back until the browser has acknowledged the first; browsers take up to 40 ms for that, as long as
the answer itself needs.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's own connection; each message leaves at once (tornado: WebSocketHandler.set_nodelay)."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()
