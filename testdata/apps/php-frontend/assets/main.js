document.body.append("and from JavaScript");
