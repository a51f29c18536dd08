"""forecasting predicts an opportunity's revenue: `workflow.forecast.requested`."""

from blocks.clock import utc_now
from blocks.contracts.events import StepRequested
from deployments.simulated.answer import Answer, Reply, about, draw_for, same_id


def _forecast_started(request: StepRequested) -> list[Reply]:
    return [
        ("forecast.decomposition.started", about(request, forecastId=same_id(request, "forecast")))
    ]


def _forecast_completed(request: StepRequested) -> list[Reply]:
    draw = draw_for(request, "forecast")
    data = about(
        request,
        forecastId=same_id(request, "forecast"),
        revenueForecast=round(draw.uniform(20_000, 2_500_000), -2),
        confidence=round(draw.uniform(0.5, 0.95), 2),
        workflowId=request.workflow_id,
        timestamp=utc_now(),
    )
    return [("forecast.completed", data)]


def _forecast_failed(request: StepRequested) -> list[Reply]:
    # No consumer takes this one: the workflow notices by its deadline.
    error = "The decomposition did not converge"
    return [
        (
            "forecast.decomposition.failed",
            about(request, forecastId=same_id(request, "forecast"), error=error),
        )
    ]


FORECAST = Answer(
    service="forecasting",
    started=_forecast_started,
    completed=_forecast_completed,
    failed=_forecast_failed,
)
