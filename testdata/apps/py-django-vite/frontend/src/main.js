document.body.append("built");
