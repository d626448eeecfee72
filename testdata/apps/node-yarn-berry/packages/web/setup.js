process.title = 'web';
