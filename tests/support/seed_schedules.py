"""The schedules of two applications as they stand in their code: ``beat_schedule`` of AEGIS and of the Residency Scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.schedules import crontab

BeatSchedule = Mapping[str, Mapping[str, Any]]


def _plain(task: str, schedule: Any) -> dict[str, Any]:
    return {"task": f"apps.{task}", "schedule": schedule}


AEGIS_ZONE = "America/New_York"
AEGIS: BeatSchedule = {
    "monitor-mdro-every-15m": _plain("mdro.tasks.monitor_mdro", 900.0),
    "monitor-drug-bug-every-5m": _plain("drug_bug.tasks.monitor_drug_bug", 300.0),
    "monitor-bacteremia-every-5m": _plain("bacteremia.tasks.monitor_bacteremia", 300.0),
    "monitor-dosing-every-15m": _plain("dosing.tasks.monitor_dosing", 900.0),
    "monitor-usage-every-5m": _plain("antimicrobial_usage.tasks.monitor_usage", 300.0),
    "monitor-prophylaxis-every-5m": _plain("surgical_prophylaxis.tasks.monitor_prophylaxis", 300.0),
    "detect-outbreaks-every-30m": _plain("outbreak_detection.tasks.detect_outbreaks", 1800.0),
    "detect-hai-candidates-every-5m": _plain("hai_detection.tasks.detect_hai_candidates", 300.0),
    "classify-hai-candidates-every-5m": _plain("hai_detection.tasks.classify_hai_candidates", 300.0),
    "check-abx-indications-every-5m": _plain("abx_indications.tasks.check_abx_indications", 300.0),
    "auto-accept-old-indications-hourly": _plain("abx_indications.tasks.auto_accept_old_indications", 3600.0),
    "check-guideline-triggers-every-5m": _plain("guideline_adherence.tasks.check_guideline_triggers", 300.0),
    "check-guideline-episodes-every-15m": _plain("guideline_adherence.tasks.check_guideline_episodes", 900.0),
    "check-guideline-adherence-every-15m": _plain("guideline_adherence.tasks.check_guideline_adherence", 900.0),
    "nhsn-nightly-extract": _plain("nhsn_reporting.tasks.nhsn_nightly_extract", crontab(hour=2, minute=0)),
    "nhsn-create-events": _plain("nhsn_reporting.tasks.nhsn_create_events", crontab(hour=3, minute=0)),
}
"""16 entries, without arguments and options."""


def _queued(task: str, schedule: Any, queue: str, *, expires: int | None = None, **kwargs: Any) -> dict[str, Any]:
    options = {"queue": queue, **({} if expires is None else {"expires": expires})}
    return {"task": f"app.{task}", "schedule": schedule, "kwargs": kwargs, "options": options}


_METRICS, _ROTATION, _BUDGET = "tasks.schedule_metrics_tasks", "security.rotation_tasks", "tasks.budget_tasks"

RESIDENCY: BeatSchedule = {
    "resilience-health-check": _queued("resilience.tasks.periodic_health_check", crontab(minute="*/15"), "resilience"),
    "resilience-contingency-analysis": _queued(
        "resilience.tasks.run_contingency_analysis", crontab(hour=2, minute=0), "resilience"
    ),
    "resilience-precompute-fallbacks": _queued(
        "resilience.tasks.precompute_fallback_schedules", crontab(hour=3, minute=0, day_of_week=0), "resilience"
    ),
    "resilience-utilization-forecast": _queued(
        "resilience.tasks.generate_utilization_forecast", crontab(hour=6, minute=0), "resilience"
    ),
    "schedule-metrics-hourly-snapshot": _queued(
        f"{_METRICS}.snapshot_metrics", crontab(minute=0, hour="8-18", day_of_week="1-5"), "metrics", period_days=90
    ),
    "schedule-metrics-daily-cleanup": _queued(
        f"{_METRICS}.cleanup_old_snapshots", crontab(hour=3, minute=30), "metrics", retention_days=365
    ),
    "schedule-metrics-weekly-fairness-report": _queued(
        f"{_METRICS}.generate_fairness_trend_report",
        crontab(hour=7, minute=0, day_of_week=1),
        "metrics",
        weeks_back=12,
    ),
    "schedule-metrics-daily-computation": _queued(
        f"{_METRICS}.compute_schedule_metrics", crontab(hour=5, minute=0), "metrics"
    ),
    "export-run-scheduled": _queued("exports.jobs.run_scheduled_exports", crontab(minute="*/5"), "exports"),
    "export-cleanup-old-executions": _queued(
        "exports.jobs.cleanup_old_executions", crontab(hour=4, minute=0), "exports", retention_days=90
    ),
    "export-health-check": _queued("exports.jobs.export_health_check", crontab(minute=0), "exports"),
    "security-check-scheduled-rotations": _queued(
        f"{_ROTATION}.check_scheduled_rotations", crontab(hour=1, minute=0), "security"
    ),
    "security-complete-grace-periods": _queued(f"{_ROTATION}.complete_grace_periods", crontab(minute=30), "security"),
    "security-monitor-rotation-health": _queued(
        f"{_ROTATION}.monitor_rotation_health", crontab(hour=8, minute=0), "security"
    ),
    "security-cleanup-rotation-history": _queued(
        f"{_ROTATION}.cleanup_old_rotation_history",
        crontab(hour=2, minute=0, day_of_month=1),
        "security",
        retention_days=730,
    ),
    "notifications-process-scheduled": _queued(
        "notifications.tasks.process_scheduled_notifications", crontab(minute="*/5"), "notifications"
    ),
    "stack-health-periodic": _queued(
        "tasks.stack_health_tasks.stack_health_check", crontab(minute=15, hour="*/4"), "maintenance", write_report=True
    ),
    "budget-status-check": _queued(f"{_BUDGET}.check_budget_status", 3600.0, "maintenance", expires=1800),
    "budget-daily-report": _queued(
        f"{_BUDGET}.budget_daily_report", crontab(hour=23, minute=0), "maintenance", expires=3600
    ),
    "budget-monthly-rollup": _queued(
        f"{_BUDGET}.budget_monthly_rollup", crontab(hour=1, minute=0, day_of_month=1), "maintenance", expires=3600
    ),
    "budget-cleanup-usage-logs": _queued(
        f"{_BUDGET}.cleanup_old_usage_logs",
        crontab(hour=3, minute=0, day_of_month=2),
        "maintenance",
        expires=3600,
        retention_days=90,
    ),
}
"""21 entries on a clock of UTC."""
