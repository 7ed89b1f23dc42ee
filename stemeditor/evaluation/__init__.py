"""How good a separation is: measures, ceilings, protocols, data sets, and listening tests."""
