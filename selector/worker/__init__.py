"""What runs in the process that meets foreign models: it confines itself, loads one model, predicts, answers, ends."""
