"""What a problem is: data, decision, cost, feasibility and exact formulations."""
