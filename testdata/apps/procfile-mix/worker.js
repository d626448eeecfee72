console.log(process.argv[2] || process.env.GREETING);
