UPDATE job SET detail = '{{{{';
