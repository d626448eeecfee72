import sys

import falcon


class Index:
    def on_get(self, request, response):
        response.text = "hello from Python %d.%d\n" % sys.version_info[:2]


app = falcon.App()
app.add_route("/", Index())
