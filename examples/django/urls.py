"""Where the views are."""
# ruff: noqa: INP001 - programs, no package

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import path
from views import send_notification

urlpatterns = [
    path("admin/", admin.site.urls),
    path("send-notification/", login_required(send_notification)),
]
