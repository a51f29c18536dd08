"""Ids, moments and results that the examples of all areas share."""

from datetime import UTC, datetime

from blocks.contracts import analysis, ids

TENANT = "3f0c2e58-6a4b-4c1d-9a57-0f6f8d3b2a11"
OPPORTUNITY = "9b6ce3f0-2f65-4d2b-8a9e-5a1f7c0d4e22"

EVENT = "c4e1a7d2-88b3-4f0e-b6d5-1e9a3c7f5b33"
EXECUTION_ID = ids.execution_id(TENANT, analysis.WORKFLOW, EVENT)
BEGIN = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
STEP_RESULTS = {
    "risk_analysis": {"evaluationId": "ev-1027", "riskScore": 0.42, "detectedRisks": []},
    "risk_scoring": {
        "scoringId": "sc-2044",
        "mlRiskScore": 0.39,
        "modelId": "risk-model-7",
        "confidence": 0.91,
    },
    "forecast": {"forecastId": "fc-3310", "revenueForecast": 480000, "confidence": 0.77},
    "recommendation": {"recommendationId": "rc-4096", "recommendations": [], "count": 0},
}
