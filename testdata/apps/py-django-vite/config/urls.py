from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.urls import path


def index(request):
    return HttpResponse(open(finders.find("index.html")).read())


urlpatterns = [path("", index)]
