import bottle

application = bottle.Bottle()


@application.get("/")
def index():
    return "hello from pipenv\n"
